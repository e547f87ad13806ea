//! What the model is told: who it is, what was said before, what is asked now. Never who asks.

use super::llm::{Message, Role};

const PERSONA: &str = "You are Tria, the AI assistant of holograms.media, a platform for creating \
holographic and audiovisual works. You are helpful and creative, with a slightly futuristic voice, and \
you keep your answers concise. When somebody asks what you can do, you may offer ideas for holograms, \
explain the concepts of the platform, and talk about technology and creativity. Promise no feature of \
the platform unless you know for certain that it exists.";

/// What of a conversation is told again, in tokens.
const BUDGET: usize = 2_000;

/// What a message costs beside its content.
const PER_MESSAGE: usize = 4;

/// The messages for the model: `history` is the oldest first.
pub(crate) fn messages(history: Vec<Message>, text: &str) -> Vec<Message> {
    let system = Message {
        role: Role::System,
        content: PERSONA.to_owned(),
    };
    let question = Message {
        role: Role::User,
        content: text.to_owned(),
    };
    let mut messages = vec![system];
    for message in history.into_iter().chain([question]) {
        match messages.last_mut() {
            // Two questions at once leave two in a row, which the templates of some models refuse.
            Some(last) if last.role == message.role => {
                last.content.push_str("\n\n");
                last.content.push_str(&message.content);
            }
            _ => messages.push(message),
        }
    }
    messages
}

/// The last messages that the budget pays for, the oldest first; without the answer to a question that
/// it did not pay for.
pub(crate) fn recent(newest_first: impl IntoIterator<Item = Message>) -> Vec<Message> {
    let mut left = BUDGET;
    let mut recent: Vec<Message> = newest_first
        .into_iter()
        .map_while(|message| {
            left = left.checked_sub(PER_MESSAGE + tokens(&message.content))?;
            Some(message)
        })
        .collect();
    recent.reverse();
    let first = recent.iter().position(|message| message.role == Role::User);
    recent.split_off(first.unwrap_or(recent.len()))
}

/// More than it will be: a token is rarely less than three bytes of any language.
fn tokens(text: &str) -> usize {
    text.len().div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: Role, content: &str) -> Message {
        Message {
            role,
            content: content.to_owned(),
        }
    }

    /// A conversation, the newest first, whose messages cost 4 tokens and a third of their lengths.
    fn conversation(lengths: &[usize]) -> Vec<Message> {
        let roles = [Role::Assistant, Role::User].into_iter().cycle();
        let messages = lengths.iter().zip(roles);
        messages
            .map(|(length, role)| message(role, &"x".repeat(*length)))
            .collect()
    }

    fn kept(lengths: &[usize]) -> Vec<usize> {
        recent(conversation(lengths))
            .iter()
            .map(|message| message.content.len())
            .collect()
    }

    #[test]
    fn the_budget_pays_for_the_last_messages_from_a_question_on() {
        let all = 3 * (BUDGET - 2 * PER_MESSAGE);
        for (newest_first, oldest_first) in [
            (&[][..], &[][..]),
            (&[30, 3], &[3, 30]),
            (&[all - 3, 3], &[3, all - 3]),
            (&[all - 3, 4], &[]),
            (&[all, 3], &[]),
            (&[1, 2, all, 3], &[2, 1]),
            (&[1, 2, 3], &[2, 1]),
            (&[all + 100], &[]),
        ] {
            assert_eq!(kept(newest_first), oldest_first, "{newest_first:?}");
        }
    }

    #[test]
    fn a_letter_of_another_alphabet_costs_its_bytes() {
        assert_eq!((tokens(""), tokens("abcd"), tokens("ЖЖЖ")), (0, 2, 2));
    }

    #[test]
    fn the_roles_take_turns_whatever_order_the_messages_are_in() {
        use Role::{Assistant, System, User};
        let history = [(User, "1"), (User, "2"), (Assistant, "a"), (Assistant, "b")];
        let history = history.map(|(role, content)| message(role, content));
        let told = |history: &[Message]| -> Vec<(Role, String)> {
            let messages = messages(history.to_vec(), "?").into_iter().skip(1);
            messages.map(|m| (m.role, m.content)).collect()
        };
        let said = |role, content: &str| (role, content.to_owned());
        let question = said(User, "?");
        let both = [said(User, "1\n\n2"), said(Assistant, "a\n\nb"), question];
        assert_eq!(told(&history), both);
        assert_eq!(told(&history[..1]), [said(User, "1\n\n?")]);
        assert_eq!(messages(Vec::new(), "?")[0].role, System);
    }

    #[test]
    fn the_question_comes_last_and_the_persona_first() {
        let history = recent(conversation(&[2, 1]));
        let roles: Vec<Role> = messages(history, "?").iter().map(|m| m.role).collect();
        let expected = [Role::System, Role::User, Role::Assistant, Role::User];
        assert_eq!(roles, expected);
        assert_eq!(messages(Vec::new(), "?").last().unwrap().content, "?");
    }
}
