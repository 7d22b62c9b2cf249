//! One test, at least, for each invariant: a good plan passes, and one that violates just it is refused by its name.

#[cfg(test)]
mod checkpoint;
#[cfg(test)]
mod directories;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod naming;
#[cfg(test)]
mod operator_state;
#[cfg(test)]
mod place;
#[cfg(test)]
mod random;
#[cfg(test)]
mod retirement;
#[cfg(test)]
mod state;
#[cfg(test)]
mod sums;
#[cfg(test)]
mod world;
