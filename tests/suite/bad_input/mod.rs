//! Bad input at every door of a real daemon: a clear error, nothing lost, nothing leaked, the daemon up (see `steady`).
//!
//! What is tried, and where. Files without a path are in this directory, the others beside it.
//!
//! | input | test |
//! | --- | --- |
//! | a ref name with `..`, control characters, bytes that are no text, 4,096 bytes and more | `names`, sent by hand |
//! | a workspace with a dot, upper case, accents (composed or not), look-alike letters, over-long names | `names` |
//! | tags `<P>/99`, `/v+5`, `/hello`, `/v01`, `/v1.2.3`: plain, annotated, tags of tags; moved, deleted | `names` |
//! | a mirror push, a push with `--prune` | `names` |
//! | a Kptfile that is missing, a link, no YAML, no Kptfile | `push_rules` |
//! | a Kptfile that is empty, a directory, a submodule, 100 MB | `content` |
//! | YAML that is slow to read; trees with an entry twice | `review` |
//! | a file outside the package, a link out of it, a submodule | `push_rules` |
//! | a 200 MB blob, 100,000 files, 2,400 directories deep, trees that repeat themselves, names that are no text | `content` |
//! | objects that git would not make, with and without `receive.fsckObjects` | `content` |
//! | an older commit that touches another package, a forged `kpt:` line, two proposals from one base | `push_rules` |
//! | a forged `kpt:` line on the branch, replacement objects | `review` |
//! | 50,000 parents, a ladder of merges, dates that lie, shallow clones, no common history | `history` |
//! | a push of 5,000 refs, a bad one among them, a thousand deletions, a thousand unmanaged ones | `many_refs` |
//! | hook socket: nothing, garbage, half a frame, a huge length, and staying; lies in a well-formed request | `sockets` |
//! | HTTP: cut bodies, broken chunks, heads without an end, paths, slow clients, compressed bombs, push options | `http` |
//! | API: unknown versions, forged tokens of pages, huge selectors, deep JSON, patches that double, watches, HTTP/2 resets | `http` |
//! | an expired certificate, one of another authority, signed by itself, for a server | `certificates` |
//! | a wrong token or password, headers that claim a user | `access` |
//! | a client that goes away during `pre-receive`; a `post-receive` that never runs | `crash` |
//! | a leftover `refs/approve/…` | `housekeeping` (symbolic, broken), `recovery` (also at a start) |
//! | `git gc`, `repack`, `pack-refs`, `prune`, `worktree`, mirror fetches while pushes run; a fetch into the repository | `housekeeping`, `disk` at rest |
//! | a full disk, a repository that cannot be written, a clock that jumps back | `machine` |
//! | a cache of random bytes | `operation` |
//!
//! Never here: bad input to a single function (see the unit tests and the fuzz targets).

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
mod terminal;
mod tls;
