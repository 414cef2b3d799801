//! Results on their way to Python: made into objects only once attached.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

/// The result of an operation, and how it becomes an object.
pub(crate) type Value = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// Puts a result on its way.
pub(crate) fn value<T>(result: T) -> Value
where
    T: for<'py> IntoPyObject<'py> + Send + 'static,
{
    Box::new(move |py| result.into_py_any(py))
}

/// `None`, where Rust says the empty tuple.
pub(crate) fn nothing((): ()) -> Option<bool> {
    None
}
