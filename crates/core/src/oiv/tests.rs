use super::*;

const HEADER: &str = "Path\tReplication\tModificationTime\tAccessTime\tPreferredBlockSize\tBlocksCount\tFileSize\
                      \tNSQUOTA\tDSQUOTA\tPermission\tUserName\tGroupName";

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/oiv").join(name))
        .unwrap()
}

fn read(text: &[u8], format: Format) -> Vec<Result<Entry, String>> {
    let reader = Reader::open(text, format).unwrap();
    reader.map(|entry| entry.map_err(|error| error.to_string())).collect()
}

/// Reads one line of a file with this path and mtime.
fn one(path: &str, modified: &str, format: Format) -> Result<Entry, String> {
    let text = format!(
        "{HEADER}\n{path}\t3\t{modified}\t1970-01-01 00:00\t134217728\t1\t8\t0\t0\t-rw-r--r--\tu\tg\n"
    );
    let mut all = read(text.as_bytes(), format);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn plain(path: &str) -> Result<String, String> {
    one(path, "2026-11-25 11:41", Format::default()).map(|entry| entry.path)
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[test]
fn what_hadoop_prints_is_read() {
    let all = read(&golden("hadoop-3.4.3.txt"), Format::default());
    let paths: Vec<&str> = all.iter().flatten().map(|entry| entry.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/",
            "/flink",
            "/flink/ck",
            "/flink/ck/4f1c",
            "/flink/ck/4f1c/shared",
            "/flink/ck/4f1c/shared/0a1b2c3d-0000-4fff-8000-0123456789ab",
            "/flink/ck/4f1c/chk-7",
            "/flink/ck/4f1c/chk-7/_metadata",
            "/flink/ck/4f1c/a b, \"c\" é日\\",
            "/flink/ck/4f1c/taskowned",
            "/flink/odd",
            "/flink/odd/esc\u{1b}[31m",
            "/flink/odd/bidi\u{202e}gnp",
            "/flink/odd/lone\rcr",
            "/flink/odd/ lead",
            "/flink/odd/trail ",
            "/flink/odd/\"quoted\"",
            "/flink/sticky",
            "/flink/ck/4f1c/open",
        ]
    );
    let state = all.iter().flatten().nth(5).unwrap();
    let expected = Entry {
        path: state.path.clone(),
        kind: Kind::File,
        length: 1024,
        block_size: 134_217_728,
        replication: 1,
        modified: time("2026-11-25T11:41:59.999Z"),
        accessed: time("2026-11-25T11:41:59.999Z"),
    };
    assert_eq!(state, &expected);
    let directory = all.iter().flatten().next().unwrap();
    assert_eq!((directory.kind, directory.length, directory.accessed), (Kind::Directory, 0, Timestamp(0)));
}

#[test]
fn odd_names_that_hadoop_printed_are_errors_with_their_line() {
    let all = read(&golden("hadoop-3.4.3.txt"), Format::default());
    let errors: Vec<String> = all.into_iter().filter_map(Result::err).collect();
    assert_eq!(
        errors,
        [
            "line 13 of the printed image: 13 columns, where the first line names 12: its path may hold a line break \
             or what parts the columns",
            "line 14 of the printed image: its path may hold a line break: `\\\"/flink/odd/line%x0Afeed\\\"`",
            "line 15 of the printed image: its path may hold a line break: `\\\"/flink/odd/cr%x0D%x0Alf\\\"`",
            "line 18 of the printed image: its path may hold a line break: `/flink/odd/%x0A`",
            "line 20 of the printed image: its path may hold what could not be printed: `/flink/odd/what?`",
            "line 24 of the printed image: its path may hold what could not be printed: `/flink/odd/�`",
        ]
    );
}

#[test]
fn more_columns_and_another_delimiter_change_nothing() {
    let format = Format { delimiter: '|', ..Format::default() };
    let tell = |all: Vec<Result<Entry, String>>| -> Vec<Entry> { all.into_iter().flatten().collect() };
    let mut wide = tell(read(&golden("hadoop-3.4.3-wide.txt"), format));
    // With another delimiter a tab in a path does no harm.
    let with_tab = wide.iter().position(|entry| entry.path == "/flink/odd/tab\there").unwrap();
    wide.remove(with_tab);
    assert_eq!(wide, tell(read(&golden("hadoop-3.4.3.txt"), Format::default())));
}

#[test]
fn columns_are_found_by_their_names() {
    let text = b"FileSize,Permission,Path,New,Replication,ModificationTime,AccessTime,PreferredBlockSize\n\
                 8,-rw-r--r--,/a,?,3,2026-11-25 11:41,2026-11-25 11:41,512\n";
    let all = read(text, Format { delimiter: ',', ..Format::default() });
    assert_eq!(all[0].as_ref().map(|entry| (entry.path.as_str(), entry.length)), Ok(("/a", 8)));
}

#[test]
fn a_text_without_a_needed_column_is_refused() {
    for name in [
        "Path",
        "Replication",
        "ModificationTime",
        "AccessTime",
        "PreferredBlockSize",
        "FileSize",
        "Permission",
    ] {
        let header = HEADER.replace(name, "Other");
        let error = Reader::open(header.as_bytes(), Format::default()).unwrap_err().to_string();
        let told =
            format!("the first line names no column {name}: is this what `hdfs oiv -p Delimited` printed?");
        assert_eq!(error, told);
    }
    let twice = format!("{HEADER}\tPath");
    assert!(Reader::open(twice.as_bytes(), Format::default()).unwrap_err().to_string().contains("twice"));
    assert!(Reader::open(&b""[..], Format::default()).unwrap_err().to_string().contains("empty"));
}

#[test]
fn a_file_never_looks_older_than_it_is() {
    let modified = |minutes_ahead| {
        one("/a", "2026-11-25 11:41", Format { minutes_ahead, ..Format::default() }).unwrap().modified
    };
    assert_eq!(modified(0), time("2026-11-25T11:41:59.999Z"));
    assert_eq!(modified(60), time("2026-11-25T10:41:59.999Z"));
    assert_eq!(modified(-330), time("2026-11-25T17:11:59.999Z"));
}

#[test]
fn the_first_minute_of_1970_is_no_time_in_any_zone() {
    let modified = |text, minutes_ahead| {
        one("/a", text, Format { minutes_ahead, ..Format::default() }).map(|entry| entry.modified)
    };
    assert_eq!(modified("1970-01-01 00:00", 0), Ok(Timestamp(0)));
    assert_eq!(modified("1970-01-01 01:00", 60), Ok(Timestamp(0)));
    assert_eq!(modified("1970-01-01 00:01", 0), Ok(Timestamp(119_999)));
}

#[test]
fn what_is_no_time_is_an_error() {
    for text in [
        "",
        "2026-11-25",
        "2026-11-25T11:41",
        "2026-11-25 11:4x",
        "2026-13-25 11:41",
        "12026-11-25 11:4",
        "2026-11-25 25:41",
    ] {
        assert!(
            one("/a", text, Format::default()).unwrap_err().contains("in ModificationTime is not a time"),
            "{text}"
        );
    }
}

#[test]
fn a_path_that_could_be_another_is_an_error() {
    assert_eq!(plain("/a/b"), Ok("/a/b".to_owned()));
    assert_eq!(plain("\"/a,b\""), Ok("/a,b".to_owned()));
    assert_eq!(plain("\"/\"\"a\"\"\""), Ok("/\"a\"".to_owned()));
    for text in [
        "",
        "a/b",
        "(detached)/a",
        "/a//b",
        "/a/",
        "/a/../b",
        "/./a",
        "/..",
        "\"/a",
        "\"",
        "\"/a\"b\"",
        "/a\0b",
    ] {
        assert!(plain(text).unwrap_err().contains("its path"), "{text}");
    }
}

#[test]
fn a_symbolic_link_is_no_file() {
    let text =
        format!("{HEADER}\n/l\t0\t2026-11-25 11:41\t2026-11-25 11:41\t0\t0\t0\t0\t0\t-rwxrwxrwx\tu\tg\n");
    assert_eq!(read(text.as_bytes(), Format::default())[0].as_ref().unwrap().kind, Kind::Other);
}

#[test]
fn numbers_that_do_not_fit_are_errors() {
    for (replication, size) in
        [("70000", "1"), ("-1", "1"), ("+1", "1"), ("1", "18446744073709551616"), ("1", "")]
    {
        let text = format!(
            "{HEADER}\n/a\t{replication}\t2026-11-25 11:41\t2026-11-25 11:41\t512\t1\t{size}\t0\t0\t-rw-r--r--\tu\tg\n"
        );
        let all = read(text.as_bytes(), Format::default());
        assert!(
            all[0].as_ref().unwrap_err().contains("is not a number that it can hold"),
            "{replication} {size}"
        );
    }
}

#[test]
fn a_directory_with_a_length_is_an_error() {
    let text =
        format!("{HEADER}\n/a\t0\t2026-11-25 11:41\t1970-01-01 00:00\t0\t0\t5\t0\t0\tdrwxr-xr-x\tu\tg\n");
    assert!(read(text.as_bytes(), Format::default())[0].is_err());
    let text =
        format!("{HEADER}\n/a\t0\t2026-11-25 11:41\t1970-01-01 00:00\t0\t0\t0\t0\t0\tlrwxr-xr-x\tu\tg\n");
    assert!(read(text.as_bytes(), Format::default())[0].is_err());
}

#[test]
fn a_line_that_is_too_long_or_no_text_does_not_hide_the_next() {
    let mut text = format!("{HEADER}\n/{}\n", "a".repeat(300_000)).into_bytes();
    text.extend_from_slice(b"/\xff\t0\n");
    text.extend_from_slice(b"/b\t0\t2026-11-25 11:41\t1970-01-01 00:00\t0\t0\t0\t0\t0\tdrwxr-xr-x\tu\tg");
    let all = read(&text, Format::default());
    assert_eq!(all.len(), 3);
    assert!(all[0].as_ref().unwrap_err().contains("longer than"));
    assert!(all[1].as_ref().unwrap_err().contains("not UTF-8"));
    assert_eq!(all[2].as_ref().unwrap().path, "/b");
}

#[test]
fn a_text_that_breaks_off_ends_with_an_error() {
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let input = io::BufReader::new(io::Read::chain(HEADER.as_bytes(), io::Read::chain(&b"\n"[..], Broken)));
    let mut reader = Reader::open(input, Format::default()).unwrap();
    assert!(matches!(reader.next(), Some(Err(OivError::Io { line: 2, .. }))));
    assert!(reader.next().is_none());
}
