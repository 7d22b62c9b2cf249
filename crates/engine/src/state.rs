//! The directory for the records of runs on this machine: `<state-dir>/<kind>/<file>`.
//!
//! What lies there is believed as what lies in a `.chksweep` is (see [`crate::trust`]): a forged record of looks makes
//! a live job look dead, and a link in the place of a file or of a directory would have us write elsewhere. So
//! everything is made for its owner alone, files are new ones put in place by a rename, and what already is there
//! must belong to this user or to root and be writable by nobody else. The state directory itself may be reached by
//! a link: whoever named it meant that.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

/// Writing by the group, and by all others.
const OTHERS_WRITE: u32 = 0o022;

/// Makes the directories of a record, for their owner alone, where they are missing.
///
/// # Errors
///
/// When they cannot be made, or others may write to them.
pub fn make_for(file: &Path) -> io::Result<()> {
    let Some((state, kind)) = directories(file) else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(kind)?;
    check_directories(state, kind)
}

/// Checks that nobody else can have written a record. One that is not there is fine.
///
/// # Errors
///
/// When somebody can.
pub fn check_for(file: &Path) -> io::Result<()> {
    let Some((state, kind)) = directories(file) else { return Ok(()) };
    let there = match fs::symlink_metadata(file) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !there.is_file() {
        return Err(io::Error::other(format!("{} is no regular file: take it away", file.display())));
    }
    check(file, &there)?;
    check_directories(state, kind)
}

/// Checks a state directory. One that is not there is fine.
///
/// # Errors
///
/// When others may write to it, or it is none.
pub fn check_state(state: &Path) -> io::Result<()> {
    match fs::metadata(state) {
        Ok(there) if there.is_dir() => check(state, &there),
        Ok(_) => Err(io::Error::other(format!("{} is no directory: name another", state.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn directories(file: &Path) -> Option<(&Path, &Path)> {
    let kind = file.parent()?;
    Some((kind.parent()?, kind))
}

fn check_directories(state: &Path, kind: &Path) -> io::Result<()> {
    check_state(state)?;
    let there = fs::symlink_metadata(kind)?;
    if !there.is_dir() {
        let message = format!("{} is a link or the like, and none is followed: take it away", kind.display());
        return Err(io::Error::other(message));
    }
    check(kind, &there)
}

fn check(path: &Path, there: &Metadata) -> io::Result<()> {
    let (owner, user) = (there.uid(), rustix::process::geteuid().as_raw());
    let shown = path.display();
    if owner != user && owner != 0 {
        return Err(io::Error::other(format!(
            "{shown} belongs to uid {owner}, and this is uid {user}: name another directory with `--state-dir`"
        )));
    }
    if there.mode() & OTHERS_WRITE != 0 {
        return Err(io::Error::other(format!(
            "others may write to {shown} (mode {:o}): `chmod go-w {shown}`, or name a directory in it with \
             `--state-dir`, which is then made for this user alone",
            there.mode() & 0o7777
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_made_is_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("state/looks/a.json");
        make_for(&file).unwrap();
        assert_eq!((mode_of(&home.path().join("state")), mode_of(file.parent().unwrap())), (0o700, 0o700));
        assert!(check_for(&file).is_ok(), "nothing is there");
        fs::write(&file, "{}").unwrap();
        set_mode(&file, 0o600);
        assert!(check_for(&file).is_ok());
    }

    #[test]
    fn a_state_directory_is_a_directory_or_absent() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("state");
        assert!(check_state(&file).is_ok());
        fs::write(&file, "").unwrap();
        assert!(check_state(&file).unwrap_err().to_string().contains("is no directory"));
        let below = check_state(&file.join("deeper")).unwrap_err();
        assert_eq!(below.kind(), io::ErrorKind::NotADirectory);
        assert_eq!(check_for(&file.join("looks/a.json")).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn what_belongs_to_another_user_is_not_believed() {
        if !rustix::process::geteuid().is_root() {
            // Only the superuser can give something away.
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("state/looks/a.json");
        make_for(&file).unwrap();
        fs::write(&file, "{}").unwrap();
        for other in [home.path().join("state"), home.path().join("state/looks"), file.clone()] {
            std::os::unix::fs::chown(&other, Some(12_345), None).unwrap();
            let error = check_for(&file).unwrap_err().to_string();
            assert!(error.contains("belongs to uid 12345"), "{error}");
            std::os::unix::fs::chown(&other, Some(0), None).unwrap();
        }
        set_mode(&file, 0o600);
        assert!(check_for(&file).is_ok());
    }

    #[test]
    fn what_others_may_write_to_is_not_believed() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("state/looks/a.json");
        make_for(&file).unwrap();
        fs::write(&file, "{}").unwrap();
        set_mode(&file, 0o600);
        for open in [home.path().join("state"), home.path().join("state/looks"), file.clone()] {
            let before = mode_of(&open);
            set_mode(&open, before | 0o020);
            assert!(check_for(&file).unwrap_err().to_string().contains("chmod go-w"), "{}", open.display());
            assert_eq!(make_for(&file).is_ok(), open == file);
            set_mode(&open, before);
        }
    }

    #[test]
    fn a_link_in_the_place_of_a_record_or_its_directory_is_not_followed() {
        let home = tempfile::tempdir().unwrap();
        let elsewhere = home.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let state = home.path().join("state");
        DirBuilder::new().mode(0o700).create(&state).unwrap();
        symlink(&elsewhere, state.join("looks")).unwrap();
        let file = state.join("looks/a.json");
        assert!(make_for(&file).unwrap_err().to_string().contains("none is followed"));
        fs::remove_file(state.join("looks")).unwrap();
        make_for(&file).unwrap();
        symlink(elsewhere.join("b"), &file).unwrap();
        assert!(check_for(&file).unwrap_err().to_string().contains("no regular file"));
    }
}
