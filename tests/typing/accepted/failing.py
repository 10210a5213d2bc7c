"""What errors carry, and the built-in errors that they are as well."""

from typing import Any, assert_type

import headwater as hw


def describe(error: Exception) -> str:
    match error:
        case hw.ConflictError():
            assert_type(error.ts, int)
            assert_type(error.function + error.table + error.index, str)
            assert_type(error.key, tuple[Any, ...])
        case hw.UniqueViolationError():
            assert_type(error.holder + error.table + error.index, str)
            assert_type(error.key, tuple[Any, ...])
        case hw.ApplicationError():
            assert_type(error.data, Any)
        case hw.ArgumentError() | hw.ReturnValueError():
            assert_type(error.function + error.path, str)
        case hw.DocumentInvalidError():
            assert_type(error.table + error.path, str)
        case hw.ValueNotStorableError():
            assert_type(error.path, str)
        case hw.DocumentNotFoundError():
            assert_type(error.id, str)
        case hw.NotUniqueError():
            assert_type(error.ids, tuple[str, ...])
        case hw.SchemaMismatchError():
            assert_type(error.documents, tuple[tuple[str, str], ...])
        case hw.NewerFormatError():
            assert_type(error.found + error.supported, int)
        case hw.LimitExceededError():
            assert_type(error.limit, str)
            assert_type(error.value + error.maximum, float)
        case hw.HeadwaterError():
            assert_type(error.code, str)
        case _:
            pass
    return str(error)


BUILT_IN: list[tuple[type[hw.HeadwaterError], type[Exception]]] = [
    (hw.StorageError, OSError),
    (hw.TimeLimitError, TimeoutError),
]


def catch(db: hw.Database) -> None:
    try:
        db.call("chat:send")
    except (hw.FunctionNotFoundError, hw.FunctionInternalError, hw.FunctionKindError) as error:
        print(error.code)
    except (hw.ImpureFunctionError, hw.WriteInQueryError, hw.UsageError) as error:
        print(describe(error))


def known_to_python() -> LookupError | ValueError | TypeError | PermissionError:
    return hw.IndexNotFoundError("no such index")


def value_errors() -> list[ValueError]:
    return [hw.InvalidIdError("x"), hw.IndexRangeError("y"), hw.InvalidCursorError("z")]
