//! Objects that name their own type: `{op: rate, of: …}`.
//!
//! serde can read such enums, but then forgets where inside the object a fault lies. Here the enum is derived in serde's
//! plain form (`remote = "Self"`), the object is turned into that form, and a fault keeps its place: the message opens
//! with it, and `params` takes it from there into the path.

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use serde_path_to_error::{Deserializer as PathDeserializer, Track};

const OPEN: &str = "in `";
const CLOSE: &str = "`: ";

/// Reads an object whose key `tag` names the variant that `parse` then reads.
pub(crate) fn read<'de, D, T>(
    deserializer: D,
    tag: &'static str,
    parse: impl FnOnce(PathDeserializer<'_, '_, Value>) -> Result<T, serde_json::Error>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    let mut object = Map::deserialize(deserializer)?;
    let kind = object.remove(tag).ok_or_else(|| D::Error::missing_field(tag))?;
    let Value::String(kind) = kind else { return Err(D::Error::custom(placed(tag, "must be a text"))) };
    let plain = Value::Object(Map::from_iter([(kind, Value::Object(object))]));
    let mut track = Track::new();
    parse(PathDeserializer::new(plain, &mut track)).map_err(|error| {
        let message = error.to_string();
        let path = track.path().to_string();
        // The first step of the path is the variant, which the object does not have.
        match path.split_once('.') {
            _ if message.starts_with("unknown variant") => D::Error::custom(placed(tag, &message)),
            Some((_, inner)) => D::Error::custom(placed(inner, &message)),
            None => D::Error::custom(message),
        }
    })
}

/// Writes a value that serde's plain form gives as `{variant: {…}}` with the variant under the key `tag`.
pub(crate) fn write<S: Serializer>(
    serializer: S,
    tag: &str,
    plain: Result<Value, serde_json::Error>,
) -> Result<S::Ok, S::Error> {
    match plain.map_err(S::Error::custom)? {
        Value::Object(outer) => match outer.into_iter().next() {
            Some((kind, Value::Object(mut object))) => {
                object.insert(tag.to_owned(), Value::String(kind));
                object.serialize(serializer)
            }
            _ => Err(S::Error::custom("a variant with fields is expected")),
        },
        other => other.serialize(serializer),
    }
}

fn placed(inner: &str, message: &str) -> String {
    format!("{OPEN}{inner}{CLOSE}{message}")
}

/// The place inside the object and the message proper, of a message that [`read`] made.
pub(crate) fn place(message: &str) -> Option<(&str, &str)> {
    message.strip_prefix(OPEN)?.split_once(CLOSE)
}
