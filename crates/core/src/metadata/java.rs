//! A bounded walk over a Java object stream: as much of the protocol as serialized properties can use.
//!
//! Written from the Java Object Serialization Specification, chapter 6. It makes nothing of classes but names and
//! fields; arrays, proxies, externalizable classes and long strings are refused.

use std::rc::Rc;

use super::cursor::to_u64;
use super::error::ParseErrorKind;
use super::limits::{MAX_PROPERTIES_NESTING, MAX_PROPERTIES_OBJECTS};
use super::utf;

const FIRST_HANDLE: u32 = 0x007E_0000;
const IS_SERIALIZABLE: u8 = 2;
const HAS_WRITE_METHOD: u8 = 1;
const IS_EXTERNALIZABLE: u8 = 4;

/// A value out of a stream.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Null,
    Text(&'a [u8]),
    Enum(&'a [u8]),
    Bool(bool),
    Object(Rc<Object<'a>>),
    /// A number, or a reference to what is not complete yet.
    Other,
}

/// An object: its class, and its fields from the topmost class down.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) class: &'a [u8],
    fields: Vec<(&'a [u8], Value<'a>)>,
}

impl<'a> Object<'a> {
    pub(super) fn field(&self, name: &[u8]) -> Option<&Value<'a>> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }
}

/// What is wrong, and at which byte.
pub(super) struct JavaError {
    pub(super) kind: ParseErrorKind,
    pub(super) at: usize,
}

type Walked<T> = Result<T, JavaError>;

struct Class<'a> {
    name: &'a [u8],
    flags: u8,
    /// Type codes and names.
    fields: Vec<(u8, &'a [u8])>,
    above: Option<Rc<Class<'a>>>,
}

/// What a reference may refer to.
enum Known<'a> {
    Class(Rc<Class<'a>>),
    Value(Value<'a>),
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    known: Vec<Known<'a>>,
    nesting: u32,
}

/// Reads one object, and returns it with the number of bytes that it took.
pub(super) fn read(bytes: &[u8]) -> Walked<(Value<'_>, usize)> {
    let mut walk = Walk { bytes, at: 0, known: Vec::new(), nesting: 0 };
    if walk.array::<4>()? != [0xAC, 0xED, 0x00, 0x05] {
        return Err(malformed("no Java object stream", 0));
    }
    let value = walk.value()?;
    Ok((value, walk.at))
}

fn malformed(problem: &'static str, at: usize) -> JavaError {
    JavaError { kind: ParseErrorKind::Properties { problem }, at }
}

impl<'a> Walk<'a> {
    fn take(&mut self, count: usize) -> Walked<&'a [u8]> {
        let end = self.at.saturating_add(count);
        let Some(taken) = self.bytes.get(self.at..end) else {
            let needed = to_u64(end.saturating_sub(self.bytes.len()));
            return Err(JavaError { kind: ParseErrorKind::UnexpectedEnd { needed }, at: self.at });
        };
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Walked<[u8; N]> {
        Ok(self.take(N)?.first_chunk::<N>().copied().unwrap_or([0; N]))
    }

    fn u8(&mut self) -> Walked<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn utf(&mut self) -> Walked<&'a [u8]> {
        let length = u16::from_be_bytes(self.array()?);
        let at = self.at;
        let text = self.take(length.into())?;
        utf::check(text).map_err(|bad| JavaError { kind: ParseErrorKind::InvalidString, at: at + bad })?;
        Ok(text)
    }

    fn remember(&mut self, known: Known<'a>) -> Walked<usize> {
        if self.known.len() >= MAX_PROPERTIES_OBJECTS {
            return Err(malformed("too many objects", self.at));
        }
        self.known.push(known);
        Ok(self.known.len() - 1)
    }

    fn reference(&mut self) -> Walked<&Known<'a>> {
        let at = self.at;
        let handle = u32::from_be_bytes(self.array()?);
        handle
            .checked_sub(FIRST_HANDLE)
            .and_then(|index| usize::try_from(index).ok())
            .and_then(|index| self.known.get(index))
            .ok_or_else(|| malformed("a reference to nothing", at))
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Walked<T>) -> Walked<T> {
        self.nesting += 1;
        if self.nesting > MAX_PROPERTIES_NESTING {
            return Err(malformed("nested too deep", self.at));
        }
        let value = read(self)?;
        self.nesting -= 1;
        Ok(value)
    }

    fn value(&mut self) -> Walked<Value<'a>> {
        let at = self.at;
        match self.u8()? {
            0x70 => Ok(Value::Null),
            0x71 => match self.reference()? {
                Known::Value(value) => Ok(value.clone()),
                Known::Class(_) => Err(malformed("a reference to a class", at)),
            },
            0x73 => self.nested(Self::object),
            0x74 => {
                let text = self.utf()?;
                self.remember(Known::Value(Value::Text(text)))?;
                Ok(Value::Text(text))
            }
            0x7E => self.nested(Self::enum_constant),
            _ => Err(malformed("an unsupported element", at)),
        }
    }

    fn object(&mut self) -> Walked<Value<'a>> {
        let at = self.at;
        let class = self.class()?.ok_or_else(|| malformed("an object without a class", at))?;
        let slot = self.remember(Known::Value(Value::Other))?;
        let mut chain = vec![Rc::clone(&class)];
        while let Some(above) = chain.last().and_then(|class| class.above.clone()) {
            chain.push(above);
        }
        let mut fields = Vec::new();
        for part in chain.iter().rev() {
            self.class_data(part, &mut fields)?;
        }
        let value = Value::Object(Rc::new(Object { class: class.name, fields }));
        if let Some(known) = self.known.get_mut(slot) {
            *known = Known::Value(value.clone());
        }
        Ok(value)
    }

    fn class_data(&mut self, class: &Class<'a>, fields: &mut Vec<(&'a [u8], Value<'a>)>) -> Walked<()> {
        if class.flags & IS_EXTERNALIZABLE != 0 || class.flags & IS_SERIALIZABLE == 0 {
            return Err(malformed("a class that is not serializable", self.at));
        }
        for (code, name) in &class.fields {
            let value = match code {
                b'Z' => Value::Bool(self.u8()? != 0),
                b'L' => self.value()?,
                b'B' => self.skip(1)?,
                b'C' | b'S' => self.skip(2)?,
                b'F' | b'I' => self.skip(4)?,
                _ => self.skip(8)?,
            };
            fields.push((name, value));
        }
        if class.flags & HAS_WRITE_METHOD != 0 {
            self.annotation()?;
        }
        Ok(())
    }

    fn skip(&mut self, count: usize) -> Walked<Value<'a>> {
        self.take(count).map(|_| Value::Other)
    }

    fn enum_constant(&mut self) -> Walked<Value<'a>> {
        let at = self.at;
        self.class()?.ok_or_else(|| malformed("an enum without a class", at))?;
        let slot = self.remember(Known::Value(Value::Other))?;
        let at = self.at;
        let Value::Text(constant) = self.value()? else {
            return Err(malformed("an enum constant without a name", at));
        };
        if let Some(known) = self.known.get_mut(slot) {
            *known = Known::Value(Value::Enum(constant));
        }
        Ok(Value::Enum(constant))
    }

    fn class(&mut self) -> Walked<Option<Rc<Class<'a>>>> {
        let at = self.at;
        match self.u8()? {
            0x70 => Ok(None),
            0x71 => match self.reference()? {
                Known::Class(class) => Ok(Some(Rc::clone(class))),
                Known::Value(_) => Err(malformed("a reference to no class", at)),
            },
            0x72 => self.nested(Self::new_class).map(Some),
            _ => Err(malformed("an unsupported class description", at)),
        }
    }

    fn new_class(&mut self) -> Walked<Rc<Class<'a>>> {
        let name = self.utf()?;
        // The version of the class: `CheckpointType` declares none, so it may differ.
        self.take(8)?;
        let slot = self.remember(Known::Value(Value::Other))?;
        let flags = self.u8()?;
        let count = u16::from_be_bytes(self.array()?);
        let mut fields = Vec::new();
        for _ in 0..count {
            let field = self.field(fields.last().map(|(code, _)| *code))?;
            fields.push(field);
        }
        self.annotation()?;
        let above = self.class()?;
        let class = Rc::new(Class { name, flags, fields, above });
        if let Some(known) = self.known.get_mut(slot) {
            *known = Known::Class(Rc::clone(&class));
        }
        Ok(class)
    }

    fn field(&mut self, before: Option<u8>) -> Walked<(u8, &'a [u8])> {
        let at = self.at;
        let code = self.u8()?;
        let name = self.utf()?;
        match code {
            // Java puts numbers first, and refuses a class that does not.
            b'B' | b'C' | b'D' | b'F' | b'I' | b'J' | b'S' | b'Z' if before != Some(b'L') => {}
            b'L' => {
                let at = self.at;
                let Value::Text(_) = self.value()? else {
                    return Err(malformed("a field without a type", at));
                };
            }
            _ => return Err(malformed("an unsupported field", at)),
        }
        Ok((code, name))
    }

    /// What a class wrote besides its fields, up to the end mark.
    fn annotation(&mut self) -> Walked<()> {
        while let Some(next) = self.bytes.get(self.at) {
            match next {
                0x78 => {
                    self.at += 1;
                    return Ok(());
                }
                0x77 => {
                    self.at += 1;
                    let length = self.u8()?;
                    self.take(length.into())?;
                }
                _ => {
                    self.value()?;
                }
            }
        }
        self.take(1).map(|_| ())
    }
}
