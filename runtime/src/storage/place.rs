//! Where an object lies on disk: the mapping from names to files.
//!
//! `user_uploads/U1/a.webm` lies in the owner's folder `U1` as `a.webm`; plain names stay plain. A
//! name that the bucket's `object_name` does not cover, such as `public/logo.png`, is nobody's, and
//! lies whole in the folder `%o`: `%o/public%2F/logo.png`.
//!
//! The mapping is injective, and no name leads out of the bucket's folder:
//! - `%`, `\`, control characters and a leading dot are percent-encoded, so a component is never
//!   `.`, `..` or hidden; an empty segment is a lone `%`.
//! - A folder below the owner's ends in `%2F`, which no encoded segment does (its `%` would be
//!   `%25`): the objects `a` and `a/b` can both exist.
//! - What a file system could not hold becomes `%h` and the SHA-256 of the segment.
//! - No encoded segment is `%o`: its `%` stands alone, or before a hexadecimal digit or `h`.
//!
//! Nothing here touches a disk.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use manifest::ObjectNameTemplate;

use super::ObjectName;

/// Bytes of one component, on every file system that matters here.
const MAX_COMPONENT: usize = 255;
const FOLDER_SUFFIX: &str = "%2F";
/// The folder of the objects that have no owner.
const NOBODYS: &str = "%o";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    owner: String,
    folders: Vec<String>,
    file: String,
}

impl Place {
    /// An owned name is `{prefix}{owner}/{path}` with an owner; the path may be anything.
    pub(crate) fn of(name: &ObjectName, template: &ObjectNameTemplate) -> Self {
        let name = name.as_str();
        let owned = name
            .strip_prefix(&template.prefix)
            .and_then(|rest| rest.split_once('/'))
            .filter(|(owner, _)| !owner.is_empty());
        let (owner, top, path) = match owned {
            Some((owner, path)) => (owner, component(owner, ""), path),
            None => ("", NOBODYS.to_owned(), name),
        };

        let mut folders = vec![top];
        let file = match path.rsplit_once('/') {
            None => component(path, ""),
            Some((parents, file)) => {
                folders.extend(parents.split('/').map(|it| component(it, FOLDER_SUFFIX)));
                component(file, "")
            }
        };
        Self {
            owner: owner.to_owned(),
            folders,
            file,
        }
    }

    /// The owner as the name spells it; empty: nobody.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// From the bucket's folder down; at least the owner's, or nobody's.
    pub(crate) fn folders(&self) -> &[String] {
        &self.folders
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
    }
}

/// The uid as it stands in names: one segment, whatever characters it has.
pub(crate) fn owner_segment(uid: &str) -> String {
    uid.replace('%', "%25").replace('/', "%2F")
}

fn component(segment: &str, suffix: &str) -> String {
    let mut component = encoded(segment);
    if component.len() + suffix.len() > MAX_COMPONENT {
        component = hashed(segment);
    }
    component.push_str(suffix);
    component
}

fn encoded(segment: &str) -> String {
    if segment.is_empty() {
        return "%".to_owned();
    }
    let mut encoded = String::with_capacity(segment.len());
    for (at, character) in segment.char_indices() {
        let leading_dot = at == 0 && character == '.';
        if leading_dot || character.is_control() || matches!(character, '%' | '\\') {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                push(&mut encoded, format_args!("%{byte:02X}"));
            }
        } else {
            encoded.push(character);
        }
    }
    encoded
}

fn hashed(segment: &str) -> String {
    let mut hashed = "%h".to_owned();
    for byte in digest(&SHA256, segment.as_bytes()).as_ref() {
        push(&mut hashed, format_args!("{byte:02x}"));
    }
    hashed
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part)
        .expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn template() -> ObjectNameTemplate {
        ObjectNameTemplate {
            prefix: "user_uploads/".to_owned(),
        }
    }

    fn path(name: &str) -> Option<String> {
        let place = Place::of(&ObjectName::new(name).ok()?, &template());
        Some(format!("{}/{}", place.folders().join("/"), place.file()))
    }

    #[test]
    fn plain_names_stay_plain() {
        for (name, expected) in [
            ("user_uploads/U1/a.webm", "U1/a.webm"),
            ("user_uploads/U1/звук 1.wav", "U1/звук 1.wav"),
            ("user_uploads/U1/a..b", "U1/a..b"),
        ] {
            assert_eq!(path(name).as_deref(), Some(expected));
        }
    }

    #[test]
    fn hostile_names_are_encoded() {
        let long = "x".repeat(256);
        for (name, expected) in [
            ("user_uploads/../..", "%2E./%2E."),
            ("user_uploads/./.", "%2E/%2E"),
            ("user_uploads/U1/", "U1/%"),
            ("user_uploads/U1//", "U1/%%2F/%"),
            ("user_uploads/U1/.htaccess", "U1/%2Ehtaccess"),
            ("user_uploads/U1/a/../b", "U1/a%2F/%2E.%2F/b"),
            ("user_uploads/U1/a%2F", "U1/a%252F"),
            ("user_uploads/U1/a\\b\0\n\u{7f}", "U1/a%5Cb%00%0A%7F"),
            ("user_uploads/U1/\u{85}", "U1/%C2%85"),
        ] {
            assert_eq!(path(name).as_deref(), Some(expected), "{name:?}");
        }
        assert_eq!(
            path(&format!("user_uploads/U1/{long}")).unwrap().len(),
            "U1/%h".len() + 64
        );
    }

    #[test]
    fn a_name_that_the_template_does_not_cover_is_nobodys() {
        for (name, expected) in [
            ("a.webm", "%o/a.webm"),
            ("public/logo.png", "%o/public%2F/logo.png"),
            ("user_uploads/U1", "%o/user_uploads%2F/U1"),
            ("user_uploads//x", "%o/user_uploads%2F/%%2F/x"),
            ("user_upload/U1/x", "%o/user_upload%2F/U1%2F/x"),
            ("/user_uploads/U1/x", "%o/%%2F/user_uploads%2F/U1%2F/x"),
            ("../..", "%o/%2E.%2F/%2E."),
        ] {
            assert_eq!(path(name).as_deref(), Some(expected));
            let place = Place::of(&ObjectName::new(name).unwrap(), &template());
            assert_eq!(place.owner(), "");
        }
        // An owner of that name has another folder.
        assert_eq!(path("user_uploads/%o/x").unwrap(), "%25o/x");
    }

    #[test]
    fn a_name_has_1_to_1024_bytes() {
        assert!(ObjectName::new("").is_err());
        assert!(ObjectName::new("x".repeat(1025)).is_err());
        assert!(ObjectName::new("x".repeat(1024)).is_ok());
    }

    /// Names from few, nasty characters, so that near misses are frequent.
    fn names() -> impl Strategy<Value = String> {
        let segment = prop_oneof![
            4 => "[a.%/\\\\2Fho\u{0}\u{7f}é]{0,6}",
            1 => "[a%.]{250,260}",
            1 => Just("..".to_owned()),
        ];
        let top = prop_oneof![
            Just("user_uploads/"),
            Just("user_uploads"),
            Just("%o/"),
            Just("")
        ];
        (top, proptest::collection::vec(segment, 1..5))
            .prop_map(|(top, path)| format!("{top}{}", path.join("/")))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_component_is_one_that_cannot_climb(name in names()) {
            let Ok(name) = ObjectName::new(name) else { return Ok(()) };
            let place = Place::of(&name, &template());
            prop_assert!(!place.folders().is_empty());
            for component in place.folders().iter().map(String::as_str).chain([place.file()]) {
                prop_assert!((1..=255).contains(&component.len()), "{component:?}");
                prop_assert!(!component.starts_with('.'), "{component:?}");
                prop_assert!(!component.contains(['/', '\\', '\0']), "{component:?}");
                prop_assert!(!component.chars().any(char::is_control), "{component:?}");
            }
        }

        #[test]
        fn no_two_uids_share_a_segment_or_a_folder(
            uids in proptest::collection::vec("[a/.%\\\\25Fefo\u{0}é]{1,6}|[a%/]{128}", 2..40)
        ) {
            let mut folders = HashMap::new();
            for uid in uids {
                let segment = owner_segment(&uid);
                prop_assert!(!segment.contains('/'), "{segment:?}");
                let read = segment.replace("%2F", "/").replace("%25", "%");
                prop_assert_eq!(&read, &uid, "{}", segment);
                let name = ObjectName::new(format!("user_uploads/{segment}/a")).unwrap();
                let place = Place::of(&name, &template());
                prop_assert_eq!(place.owner(), segment);
                prop_assert_eq!(place.folders().len(), 1);
                if let Some(other) = folders.insert(place.folders()[0].clone(), uid.clone()) {
                    prop_assert_eq!(other, uid);
                }
            }
        }

        #[test]
        fn two_names_never_share_a_file_nor_does_a_file_stand_where_a_folder_must(
            names in proptest::collection::vec(names(), 2..40)
        ) {
            let mut files = HashMap::new();
            let mut folders = HashMap::new();
            for name in names {
                let Some(path) = path(&name) else { continue };
                for (at, _) in path.match_indices('/') {
                    folders.insert(path[..at].to_owned(), name.clone());
                }
                if let Some(other) = files.insert(path.clone(), name.clone()) {
                    prop_assert_eq!(other, name, "{}", path);
                }
            }
            for (path, name) in &files {
                prop_assert!(!folders.contains_key(path), "{name:?} is a file and a folder");
            }
        }
    }
}
