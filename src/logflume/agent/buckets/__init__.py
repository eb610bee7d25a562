"""Files by buckets: what the HDFS sink writes, on HDFS, on this machine, or as objects of a store.

What lives here: escapes of paths, the file systems behind one small interface, Hadoop's codecs and SequenceFiles, and
the files of a sink: open, rolled, cut back to what was settled, renamed. Enters: batches of events. Leaves: files
whose names are final only when their events are settled. It does not know channels or threads of a flow.
"""
