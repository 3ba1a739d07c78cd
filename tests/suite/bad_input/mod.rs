//! Bad input.
mod certificates;
mod content;
mod history;
mod housekeeping;
mod http;
mod machine;
mod many_refs;
mod names;
mod raw;
mod sockets;
mod steady;
mod tls;
