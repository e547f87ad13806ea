//! Spellings of paths that lead away: each way out in each disguise that some server has fallen for.

use crate::harness::Router;

/// From a folder two, three or four levels below the canaries, absolutely, and into the victim's.
fn ways_out(router: &Router) -> Vec<String> {
    let folder = router.folder().to_str().unwrap();
    let absolute = format!("{folder}/canary/secret.txt");
    let relative = [
        "../U2/secret.txt",
        "../../secret.txt",
        "../../canary/secret.txt",
        "../../../canary/secret.txt",
        "../../../../secret.txt",
        "a/../../U2/secret.txt",
        "./../U2/secret.txt",
        "../../../../../../../../../../etc/passwd",
        "..",
        "../..",
        ".",
        "../",
    ];
    let mut ways: Vec<String> = relative.map(str::to_owned).into();
    ways.push(absolute.clone());
    ways.push(format!("/{absolute}"));
    ways.push(format!("file://{absolute}"));
    ways.push("/etc/passwd".to_owned());
    ways
}

type Disguise = fn(&str) -> String;

/// How dots and slashes have been hidden. What is escaped here is escaped as it stands in a URL.
const DISGUISES: [(&str, Disguise); 22] = [
    ("raw", |way| way.to_owned()),
    ("escaped", |way| way.replace('.', "%2e").replace('/', "%2F")),
    ("escaped slashes", |way| way.replace('/', "%2f")),
    ("escaped dots", |way| way.replace('.', "%2E")),
    ("escaped twice", |way| {
        way.replace('.', "%252e").replace('/', "%252f")
    }),
    ("escaped thrice", |way| way.replace('/', "%25252f")),
    ("overlong in two bytes", |way| {
        way.replace('.', "%c0%ae").replace('/', "%c0%af")
    }),
    ("overlong in three bytes", |way| {
        way.replace('.', "%e0%80%ae").replace('/', "%e0%80%af")
    }),
    ("overlong in four bytes", |way| {
        way.replace('/', "%f0%80%80%af")
    }),
    ("invalid after the lead byte", |way| {
        way.replace('/', "%c1%9c")
    }),
    ("of IIS", |way| {
        way.replace('.', "%u002e").replace('/', "%u2215")
    }),
    ("full width", |way| {
        way.replace('.', "%ef%bc%8e").replace('/', "%ef%bc%8f")
    }),
    ("one dot leader and division slash", |way| {
        way.replace('.', "%e2%80%a4").replace('/', "%e2%88%95")
    }),
    ("two dot leader", |way| way.replace("..", "%e2%80%a5")),
    ("backslashes", |way| way.replace('/', "%5c")),
    ("both slashes", |way| way.replace('/', "%5c%2f")),
    ("doubled dots", |way| way.replace("../", "....//")),
    ("path parameters", |way| way.replace("../", "..;x/")),
    ("trailing blanks and dots", |way| {
        way.replace("../", "..%20/").replace(".txt", ".txt.%20.")
    }),
    ("a NUL behind", |way| format!("{way}%00.webm")),
    ("a NUL inside", |way| way.replace("../", "..%00/")),
    ("a line break inside", |way| way.replace("../", "..%0d%0a/")),
];

/// Each name as it stands in a URL, all different.
pub(super) fn names(router: &Router) -> Vec<String> {
    let ways = ways_out(router);
    let disguised = DISGUISES
        .iter()
        .flat_map(|(_, disguise)| ways.iter().map(|way| disguise(way)));
    let mut names: Vec<String> = disguised.collect();
    let long = "../".repeat(300) + "etc/passwd";
    let components = format!("{}/../../U2/secret.txt", "n".repeat(300));
    names.extend([
        long,
        components,
        "%".to_owned(),
        "%2".to_owned(),
        "%00".to_owned(),
        "%ff".to_owned(),
    ]);
    names.sort();
    names.dedup();
    names
}

/// The bytes that such a name stands for, for a place where nothing is unescaped.
pub(super) fn unescaped(name: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(name).collect()
}
