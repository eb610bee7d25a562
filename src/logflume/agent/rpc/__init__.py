"""How events travel between agents: Flume's Avro and Thrift RPC, as bytes.

What lives here: frames, handshakes and messages, and events in them, for the sources and the sinks that speak them.
Enters: sockets and batches of events. Leaves: batches, answers, typed errors for bytes that no peer may send.
It does not know: channels, threads, configuration.
"""
