//! What the hook stub and the daemon share: the wire format between them, and the guard file that the daemon leaves in a
//! repository for the stub.
//!
//! Never here: anything but std, and anything that only one of the two sides does.

pub mod frame;
pub mod guard;
pub mod wire;
