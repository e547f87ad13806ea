use manifest::{Access, AccessRule};

use super::*;
use crate::identity::Principal;

fn rule(objects: &str, read: Access, write: Access) -> AccessRule {
    AccessRule {
        objects: objects.to_owned(),
        read,
        write,
    }
}

fn caller(uid: &str) -> Principal {
    Principal {
        uid: uid.to_owned(),
        email: None,
        claims: BTreeMap::new(),
    }
}

async fn bucket(rules: Vec<AccessRule>) -> (Disk, Bucket) {
    let mut disk = Disk::new();
    disk.spec.access = rules;
    let bucket = disk.open().await;
    (disk, bucket)
}

#[tokio::test]
async fn the_first_rule_that_matches_decides() {
    use Access::{Anyone, Nobody, Owner, SignedIn};
    let (_disk, bucket) = bucket(vec![
        rule("user_uploads/{uid}/private/**", Nobody, Nobody),
        rule("user_uploads/{uid}/**", Owner, Owner),
        rule("public/**", Anyone, Nobody),
        rule("rooms/*/log", SignedIn, Nobody),
        rule("inbox/{uid}", Anyone, Owner),
        rule("motd", Anyone, SignedIn),
    ])
    .await;
    let (me, other) = (caller("U1"), caller("U2"));
    // For the owner U1, another user, nobody: may read, may write.
    let (yes, no) = (true, false);
    for (name, expected) in [
        ("user_uploads/U1/a", [(yes, yes), (no, no), (no, no)]),
        ("user_uploads/U1/a/b", [(yes, yes), (no, no), (no, no)]),
        ("user_uploads/U1/", [(yes, yes), (no, no), (no, no)]),
        ("user_uploads/U1/../U2/a", [(yes, yes), (no, no), (no, no)]),
        ("user_uploads/U1/private/a", [(no, no); 3]),
        ("user_uploads/U1/private", [(yes, yes), (no, no), (no, no)]),
        ("user_uploads/U1", [(no, no); 3]),
        ("user_uploads//a", [(no, no); 3]),
        ("user_uploads/u1/a", [(no, no); 3]),
        ("user_uploads/U1%2F/a", [(no, no); 3]),
        ("/user_uploads/U1/a", [(no, no); 3]),
        ("public/logo.png", [(yes, no); 3]),
        ("public/a/b", [(yes, no); 3]),
        ("public", [(no, no); 3]),
        ("publicity/a", [(no, no); 3]),
        ("rooms/1/log", [(yes, no), (yes, no), (no, no)]),
        ("rooms//log", [(no, no); 3]),
        ("rooms/1/2/log", [(no, no); 3]),
        ("rooms/1/log/x", [(no, no); 3]),
        ("inbox/U1", [(yes, yes), (yes, no), (yes, no)]),
        ("inbox/U1/x", [(no, no); 3]),
        ("motd", [(yes, yes), (yes, yes), (yes, no)]),
        ("other", [(no, no); 3]),
    ] {
        let object = ObjectName::new(name).unwrap();
        let found = [Some(&me), Some(&other), None].map(|caller| {
            let permits = |operation| bucket.permits(operation, &object, caller);
            (permits(Operation::Read), permits(Operation::Write))
        });
        assert_eq!(found, expected, "{name}");
    }
}

#[tokio::test]
async fn a_uid_is_compared_as_names_spell_it() {
    let rules = vec![rule("{uid}/**", Access::Owner, Access::Owner)];
    let (_disk, bucket) = bucket(rules).await;
    for (uid, name, mine) in [
        ("a/b", "a%2Fb/x", true),
        ("a/b", "a/b/x", false),
        ("a%2Fb", "a%2Fb/x", false),
        ("a%2Fb", "a%252Fb/x", true),
        ("", "/x", false),
        ("..", "../x", true),
    ] {
        let object = ObjectName::new(name).unwrap();
        let found = bucket.permits(Operation::Read, &object, Some(&caller(uid)));
        assert_eq!(found, mine, "{uid:?} {name:?}");
    }
}

#[tokio::test]
async fn a_bucket_without_rules_is_nobodys() {
    let (_disk, bucket) = bucket(Vec::new()).await;
    assert!(!bucket.permits(Operation::Read, &name("U1/a"), Some(&caller("U1"))));
    assert!(!bucket.permits_list("", Some(&caller("U1"))));
}

#[tokio::test]
async fn a_list_needs_everything_under_its_prefix_to_be_readable() {
    use Access::{Anyone, Nobody, Owner, SignedIn};
    let (_disk, bucket) = bucket(vec![
        rule("public/hidden/**", Nobody, Nobody),
        rule("public/**", Anyone, Nobody),
        rule("open/*", Anyone, Nobody),
        rule("open/**", SignedIn, Nobody),
        rule("user_uploads/{uid}/**", Owner, Owner),
    ])
    .await;
    let (me, other) = (caller("U1"), caller("U2"));
    let (yes, no) = (true, false);
    for (prefix, expected) in [
        ("user_uploads/U1/", [yes, no, no]),
        ("user_uploads/U1/a/", [yes, no, no]),
        ("user_uploads/U1/a", [yes, no, no]),
        // Also that of U11.
        ("user_uploads/U1", [no; 3]),
        ("user_uploads/", [no; 3]),
        ("user_uploads", [no; 3]),
        ("", [no; 3]),
        ("public/logos/", [yes; 3]),
        ("public/hid", [no; 3]),
        ("public/hide", [yes; 3]),
        ("public/hidden/", [no; 3]),
        ("public/", [no; 3]),
        ("publ", [no; 3]),
        // What lies deeper is for those who are signed in.
        ("open/", [yes, yes, no]),
        ("open/a/", [yes, yes, no]),
        ("other/", [no; 3]),
    ] {
        let callers = [Some(&me), Some(&other), None];
        let found = callers.map(|caller| bucket.permits_list(prefix, caller));
        assert_eq!(found, expected, "{prefix:?}");
    }
}
