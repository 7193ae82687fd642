//! What holds for any input whatever. Property tests draw the input here; the fuzz targets in `xtask/fuzz` include
//! this folder and look for it.

pub(crate) mod decode;
pub(crate) mod response;
pub(crate) mod values;
