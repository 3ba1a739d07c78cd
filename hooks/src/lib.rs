//! What the hook stub and the daemon share: the wire format between them, and the guard file that the daemon leaves in a
//! repository for the stub. Also how the stub reads what git tells it, so that it can be tested without a process.
//!
//! Never here: anything but std, and asking, answering and deciding.

pub mod ancestor;
pub mod commands;
pub mod frame;
pub mod guard;
pub mod pkt_line;
pub mod wire;
