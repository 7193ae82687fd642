//! Checks for any input. Property tests generate the input; the fuzz targets in `xtask/fuzz` include this folder.

pub(crate) mod decode;
pub(crate) mod response;
pub(crate) mod values;
