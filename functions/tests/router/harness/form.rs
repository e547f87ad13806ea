//! multipart/form-data by hand, so that a file name reaches the server byte for byte.

const BOUNDARY: &str = "----function-router-test-boundary";

pub(crate) fn content_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// The form that a browser sends for `<input type="file" name="file">`.
pub(crate) fn file(name: &str, content: &[u8]) -> Vec<u8> {
    [part("file", Some(name), content), end()].concat()
}

/// The same for a file of which the browser knows the type.
pub(crate) fn file_of_type(name: &str, media_type: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: {media_type}\r\n\r\n"
    );
    [head.as_bytes(), content, b"\r\n", &end()].concat()
}

/// One part; without a file name it is a plain field.
pub(crate) fn part(field: &str, file_name: Option<&str>, content: &[u8]) -> Vec<u8> {
    [opening(field, file_name).as_slice(), content, b"\r\n"].concat()
}

/// A part up to its content.
pub(crate) fn opening(field: &str, file_name: Option<&str>) -> Vec<u8> {
    let file_name = file_name.map_or_else(String::new, |name| {
        format!("; filename=\"{name}\"\r\nContent-Type: application/octet-stream")
    });
    format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"{file_name}\r\n\r\n")
        .into_bytes()
}

pub(crate) fn end() -> Vec<u8> {
    format!("--{BOUNDARY}--\r\n").into_bytes()
}
