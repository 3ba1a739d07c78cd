//! The version 2 document in the protobuf form that kubectl asks for: gnostic's `openapi.v2.Document`.
//!
//! Only the fields that our documents use are written; the numbers are those of gnostic's OpenAPIv2.proto.
//! Never here: what the document says (see `v2`).

use serde_json::Value;

/// A protobuf message being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn bytes(mut self, number: u64, bytes: &[u8]) -> Self {
        self.varint(number << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn message(self, number: u64, inner: Self) -> Self {
        self.bytes(number, &inner.0)
    }

    /// A text; nothing when the value is none.
    fn text(self, number: u64, value: Option<&Value>) -> Self {
        match value.and_then(Value::as_str) {
            Some(text) => self.bytes(number, text.as_bytes()),
            None => self,
        }
    }

    fn texts(self, number: u64, value: Option<&Value>) -> Self {
        let texts = value.and_then(Value::as_array).into_iter().flatten();
        texts.fold(self, |message, text| message.text(number, Some(text)))
    }

    fn flag(mut self, number: u64, value: Option<&Value>) -> Self {
        if value == Some(&Value::Bool(true)) {
            self.varint(number << 3);
            self.varint(1);
        }
        self
    }

    /// Entries `{name = 1, value = 2}`, one for each member of an object that `wanted` takes.
    fn named(self, number: u64, value: &Value, wanted: fn(&str) -> bool, inner: fn(&Value) -> Self) -> Self {
        let members = value.as_object().into_iter().flatten().filter(|(name, _)| wanted(name));
        members.fold(self, |message, (name, value)| {
            let entry = Self::default().bytes(1, name.as_bytes()).message(2, inner(value));
            message.message(number, entry)
        })
    }

    /// The members whose names begin with `x-`, as YAML.
    fn extensions(self, number: u64, value: &Value) -> Self {
        let yaml =
            |value: &Value| Self::default().bytes(2, serde_yaml::to_string(value).unwrap_or_default().as_bytes());
        self.named(number, value, |name| name.starts_with("x-"), yaml)
    }
}

const ALL: fn(&str) -> bool = |_| true;

/// Encodes a version 2 document.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let info = &document["info"];
    let info = Message::default().text(1, info.get("title")).text(2, info.get("version"));
    let paths = Message::default().named(2, &document["paths"], ALL, path_item);
    let definitions = Message::default().named(1, &document["definitions"], ALL, schema);
    Message::default().text(1, document.get("swagger")).message(2, info).message(8, paths).message(9, definitions).0
}

fn path_item(item: &Value) -> Message {
    let mut message = Message::default();
    for (number, method) in [(2, "get"), (3, "put"), (5, "delete"), (8, "patch")] {
        if let Some(value) = item.get(method) {
            message = message.message(number, operation(value));
        }
    }
    parameters(message, 9, item)
}

fn operation(value: &Value) -> Message {
    let responses = Message::default().named(1, &value["responses"], ALL, |response| {
        let response = Message::default().text(1, response.get("description"));
        Message::default().message(1, response)
    });
    let message = Message::default()
        .text(5, value.get("operationId"))
        .texts(6, value.get("produces"))
        .texts(7, value.get("consumes"));
    parameters(message, 8, value).message(9, responses).extensions(13, value)
}

fn parameters(message: Message, number: u64, holder: &Value) -> Message {
    let all = holder.get("parameters").and_then(Value::as_array).into_iter().flatten();
    all.fold(message, |message, one| {
        // Query parameters have a field more than path parameters, which moves the type by one.
        let (place, kind) = if one["in"] == "path" { (4, 5) } else { (3, 6) };
        let inner = Message::default()
            .flag(1, one.get("required"))
            .text(2, one.get("in"))
            .text(3, one.get("description"))
            .text(4, one.get("name"))
            .text(kind, one.get("type"));
        let non_body = Message::default().message(place, inner);
        let parameter = Message::default().message(2, non_body);
        message.message(number, Message::default().message(1, parameter))
    })
}

fn schema(value: &Value) -> Message {
    let mut message = Message::default()
        .text(1, value.get("$ref"))
        .text(2, value.get("format"))
        .text(4, value.get("description"))
        .texts(19, value.get("required"));
    if let Some(values) = value.get("additionalProperties") {
        message = message.message(21, Message::default().message(1, schema(values)));
    }
    if let Some(kind) = value.get("type") {
        message = message.message(22, Message::default().text(1, Some(kind)));
    }
    if let Some(items) = value.get("items") {
        message = message.message(23, Message::default().message(1, schema(items)));
    }
    if let Some(properties) = value.get("properties") {
        message = message.message(25, Message::default().named(1, properties, ALL, schema));
    }
    message.extensions(31, value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn bytes_are_those_that_protobuf_wants() {
        let document = json!({
            "swagger": "2.0",
            "info": {"title": "t"},
            "paths": {},
            "definitions": {"D": {"type": "object", "x-a": 1}},
        });
        let want: &[u8] = b"\x0a\x032.0\x12\x03\x0a\x01t\x42\x00\x4a\x20\x0a\x1e\x0a\x01D\x12\x19\xb2\x01\x08\x0a\x06object\xfa\x01\x0b\x0a\x03x-a\x12\x04\x12\x021\n";
        assert_eq!(super::encode(&document), want);
    }
}
