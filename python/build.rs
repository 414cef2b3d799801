//! Lets the module be linked without an interpreter, whose symbols it finds when it is loaded.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
