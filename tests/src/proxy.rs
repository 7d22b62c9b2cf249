//! A proxy before a NameNode that spoils one call: it is refused, hangs, loses its answer, or comes late.
//!
//! It understands as much of Hadoop's RPC as that takes. From the client come seven bytes (`hrpc`, version, service,
//! authentication) and then frames, each with its length in four bytes before it; a frame begins with a header that
//! holds the id of the call, and another that holds the name of the method. Ids below zero are no calls: they set up
//! the connection. From the NameNode come frames as well, each with the id of the call that it answers. It is told
//! apart from connection to connection which answer is whose, so that calls in flight beside the spoiled one are
//! hurt only where a connection breaks, as they would be by a network that breaks.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It never arrives, and the connection breaks.
    Fail,
    /// It never arrives, and the connection stays.
    Hang,
    /// It takes effect, its answer is lost, and the connection breaks.
    Lose,
    /// It arrives after this time.
    Late(Duration),
}

/// A proxy that listens on 127.0.0.1 until the test ends.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    to: u16,
    state: Mutex<State>,
}

/// The n-th call, of one method or of any; the first is 1.
#[derive(Debug)]
struct Which {
    method: Option<String>,
    nth: usize,
}

impl Which {
    fn count(&self, calls: &[String]) -> usize {
        calls.iter().filter(|call| self.method.as_ref().is_none_or(|only| only == *call)).count()
    }
}

#[derive(Debug, Default)]
struct State {
    /// The methods that were called since the last [`Proxy::spoil`].
    calls: Vec<String>,
    spoil: Option<(Which, Fault)>,
    /// Calls that are held back.
    late: usize,
    stopped: bool,
}

impl Proxy {
    /// Listens, and passes everything to this port of 127.0.0.1.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(to: u16) -> Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0").context("starting a proxy")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared { to, state: Mutex::default() });
        let proxy = Proxy { port, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(io::Result::ok) {
                if shared.lock().stopped {
                    break;
                }
                let shared = Arc::clone(&shared);
                // A connection that breaks is what this is about.
                thread::spawn(move || serve(&client, &shared).ok());
            }
        });
        Ok(proxy)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Counts calls from zero again; the n-th (the first is 1) is spoiled.
    pub fn spoil(&self, what: Option<(usize, Fault)>) {
        let mut state = self.shared.lock();
        state.calls.clear();
        state.spoil = what.map(|(nth, fault)| (Which { method: None, nth }, fault));
    }

    /// As [`Proxy::spoil`], of the calls of one method.
    pub fn spoil_nth_of(&self, method: &str, nth: usize, fault: Fault) {
        let mut state = self.shared.lock();
        state.calls.clear();
        state.spoil = Some((Which { method: Some(method.to_owned()), nth }, fault));
    }

    /// Whether the call that was to be spoiled has come.
    pub fn is_spoiled(&self) -> bool {
        let state = self.shared.lock();
        state.spoil.as_ref().is_some_and(|(which, _)| which.count(&state.calls) >= which.nth)
    }

    /// The methods called since, in order.
    pub fn calls(&self) -> Vec<String> {
        self.shared.lock().calls.clone()
    }

    /// Waits until everything that was held back has been passed on.
    pub fn await_late(&self) {
        while self.shared.lock().late > 0 {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        // Lets the listener look.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and returns what becomes of it.
    fn count(&self, method: &str) -> Option<Fault> {
        let mut state = self.lock();
        state.calls.push(method.to_owned());
        let spoil = state.spoil.as_ref().filter(|(which, _)| {
            let is_meant = which.method.as_ref().is_none_or(|only| only == method);
            is_meant && which.count(&state.calls) == which.nth
        });
        let fault = spoil.map(|(_, fault)| *fault);
        if matches!(fault, Some(Fault::Late(_))) {
            state.late += 1;
        }
        fault
    }
}

/// One connection of a client, with its own to the NameNode.
struct Connection<'a> {
    client: &'a TcpStream,
    server: TcpStream,
    /// Where frames to the NameNode are written: late ones by threads of their own.
    out: Arc<Mutex<TcpStream>>,
    /// The call whose answer is to be lost.
    lost: Arc<Mutex<Option<i64>>>,
    shared: &'a Arc<Shared>,
}

fn serve(client: &TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", shared.to))?;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    let out = Arc::new(Mutex::new(server.try_clone()?));
    let connection = Connection { client, server, out, lost: Arc::default(), shared };
    let (from, to) = (connection.server.try_clone()?, client.try_clone()?);
    let lost = Arc::clone(&connection.lost);
    let answers = thread::spawn(move || pass_answers(&from, &to, &lost).ok());
    let ended = connection.pass_calls();
    if ended.is_err() {
        client.shutdown(Shutdown::Both).ok();
        connection.server.shutdown(Shutdown::Both).ok();
    } else {
        // The client is done; what is held back still goes to the NameNode, and then this ends.
        client.shutdown(Shutdown::Both).ok();
        while Arc::strong_count(&connection.out) > 1 {
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(100));
        connection.server.shutdown(Shutdown::Both).ok();
    }
    answers.join().ok();
    ended
}

impl Connection<'_> {
    /// Passes calls on until the client is done, or with an error when the connection is to break.
    fn pass_calls(&self) -> io::Result<()> {
        let mut client = self.client;
        let mut hello = [0; 7];
        client.read_exact(&mut hello)?;
        self.write(&hello)?;
        while let Some(frame) = read_frame(client)? {
            let Some((id, method)) = call_of(&frame) else {
                self.write(&frame)?;
                continue;
            };
            match self.shared.count(&method) {
                None => self.write(&frame)?,
                Some(Fault::Fail) => return Err(io::ErrorKind::ConnectionAborted.into()),
                Some(Fault::Hang) => {}
                Some(Fault::Lose) => {
                    *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
                    self.write(&frame)?;
                }
                Some(Fault::Late(after)) => self.write_late(frame, after),
            }
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)
    }

    fn write_late(&self, frame: Vec<u8>, after: Duration) {
        let (out, shared) = (Arc::clone(&self.out), Arc::clone(self.shared));
        thread::spawn(move || {
            thread::sleep(after);
            out.lock().unwrap_or_else(PoisonError::into_inner).write_all(&frame).ok();
            // Time to be carried out, before somebody looks.
            thread::sleep(Duration::from_millis(300));
            shared.lock().late -= 1;
        });
    }
}

/// Passes answers on; at the one that is to be lost, breaks the connection.
fn pass_answers(mut from: &TcpStream, mut to: &TcpStream, lost: &Mutex<Option<i64>>) -> io::Result<()> {
    while let Some(frame) = read_frame(from)? {
        let lost = *lost.lock().unwrap_or_else(PoisonError::into_inner);
        if lost.is_some() && answered(&frame) == lost {
            break;
        }
        to.write_all(&frame)?;
    }
    from.flush()?;
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both)
}

/// Reads a frame with its length before it; nothing at the end of the stream.
fn read_frame(mut from: &TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    let mut have = 0;
    while let Some(rest) = length.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match from.read(rest)? {
            0 if have == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => have += count,
        }
    }
    let mut frame = length.to_vec();
    let count = u64::from(u32::from_be_bytes(length));
    let came = from.take(count).read_to_end(&mut frame)?;
    if u64::try_from(came) == Ok(count) { Ok(Some(frame)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The id and the method of a call; nothing for what is none.
fn call_of(frame: &[u8]) -> Option<(i64, String)> {
    let (header, rest) = delimited(frame.get(4..)?)?;
    let zigzag = fields(header).find(|(number, _)| *number == 3)?.1.number()?;
    let id = i64::try_from(zigzag >> 1).ok()?;
    if zigzag & 1 == 1 {
        return None;
    }
    let (request, _) = delimited(rest)?;
    let method = fields(request).find(|(number, _)| *number == 1)?.1.bytes()?;
    Some((id, String::from_utf8_lossy(method).into_owned()))
}

/// The id of the call that a frame answers.
fn answered(frame: &[u8]) -> Option<i64> {
    let (header, _) = delimited(frame.get(4..)?)?;
    i64::try_from(fields(header).find(|(number, _)| *number == 1)?.1.number()?).ok()
}

/// The value of a protobuf field.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn number(self) -> Option<u64> {
        match self {
            Value::Number(number) => Some(number),
            Value::Bytes(_) => None,
        }
    }

    fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            Value::Number(_) => None,
        }
    }
}

/// The fields of a message that has numbers and bytes only.
fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, Value<'_>)> {
    std::iter::from_fn(move || {
        let (key, rest) = varint(message)?;
        let (value, rest) = match key & 7 {
            0 => varint(rest).map(|(number, rest)| (Value::Number(number), rest))?,
            2 => delimited(rest).map(|(bytes, rest)| (Value::Bytes(bytes), rest))?,
            _ => return None,
        };
        message = rest;
        Some((key >> 3, value))
    })
}

fn delimited(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = varint(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}
