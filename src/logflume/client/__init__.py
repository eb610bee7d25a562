"""The public API over a log directory: Log, Topic, Producer, Consumer.

What lives here: what users call, keyword options, waiting, background tickers. Enters: Python values.
Leaves: Record, RecordBatch, Delivery, typed errors. It does not know: sockets, protocol messages, the agent.
"""
