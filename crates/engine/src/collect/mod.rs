//! Looks at the roots: what is there, and what every metadata file says. Changes nothing.
//!
//! A file may go only when every metadata that names it was found, read and understood. All the while jobs
//! complete checkpoints, discard old ones and hand files over, so what keeps a live file is an order:
//!
//! 1. **Candidates first.** Every directory under the sweep roots is listed. What is missed here, because it was
//!    made later or moved on, is no candidate and stays.
//! 2. **Metadata afterwards.** It is listed anew, from the beginning, and read. A checkpoint that completed before the
//!    last candidate was listed is therefore among it; one that completes later names files that are either younger
//!    than the listing or named by an earlier one.
//! 3. **Again, until nothing was missed.** A file named by one metadata may come to be named by another while the pass
//!    is between the two: by the next checkpoint of the job, or by a job that claims it. The first metadata is deleted
//!    then. So whenever a metadata that some listing saw, the listing of candidates included, or a directory that its
//!    parent showed, is gone before it was read, all is listed again; `passes` says it in detail. Names from every
//!    pass are united: what was read once keeps naming, though it is gone.
//!
//! What can happen meanwhile, and what holds then:
//!
//! - *A checkpoint completes and the last one is discarded, in one job.* The new `_metadata` is there before the old
//!   one goes. The checkpoints of a job are looked into one after the other, older ones first, each is read as soon
//!   as it is seen, and an old one that is gone, or whose directory is, makes another pass.
//! - *A job claims the checkpoint of another.* The old `_metadata` goes only after the first checkpoint of the new
//!   job. Either it is read, or it is missed and everything is listed again, after that checkpoint.
//! - *A metadata file is being written in place* (Flink up to 1.14). It is shorter than listed or ends inside a field:
//!   all is read again after a pause, five times; then it counts as unreadable, and may name anything.
//! - *A directory cannot be listed, or not to its end.* As a candidate it is partial. Where metadata could lie in it, it
//!   is told as unlisted. Nothing is taken for absent because it was not seen.
//! - *chksweep runs elsewhere.* Metadata in a quarantine is read as such; when it is purged or brought back in the
//!   middle, it was missed.
//! - *The same place has several names.* Roots that overlap by the known equivalences are listed once.
//!
//! Not looked into for metadata are `shared`, `taskowned` and `dstl`, where Flink made them; that is where nearly all
//! files lie. A directory of that name anywhere else is looked into, and so is every unknown one. What the first
//! listing saw below them under the name of metadata is read all the same.
//!
//! What remains: a file that is handed on twice, each time ahead of a listing, by metadata none of which any listing
//! saw. That takes two claims in a row within one look, each job ending as soon as it has begun; the simulation in the
//! tests finds no such story with one claim, however fast checkpoints come, and a few in thousands with many. Against
//! it stand the second look before anything is carried out, and the rescue after it. Links are not followed, and
//! said. Roots that nobody named are not seen.
//!
//! Memory: a candidate goes straight into the inventory's compact form; the passes keep paths of metadata only. What
//! they read is bounded by [`Limits`]; above [`Limits::metadata_in_memory`] a file is read as a stream.

mod candidates;
mod operator_state;
mod passes;
mod pool;
mod quarantine;
mod read;
mod request;
mod roots;
mod run;
mod run_record;
mod sighting;
mod stream;
mod visit;

pub use request::{ALLOWED_SKEW, Candidates, ClockCheck, CollectError, CollectRequest, Limits};
pub use run::{MetadataLook, collect, collect_metadata};
