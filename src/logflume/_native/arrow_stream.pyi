from logflume._native.columns import RecordBatch

__all__ = ["export_column", "export_stream"]

def export_stream(
    batch: RecordBatch, requested_schema: object = None, *, views: bool = True
) -> object: ...
def export_column(
    batch: RecordBatch, is_key: bool, requested_schema: object = None
) -> tuple[object, object]: ...
