//! Bad input.
mod certificates;
mod content;
mod history;
mod http;
mod many_refs;
mod names;
mod raw;
mod sockets;
mod steady;
mod tls;
