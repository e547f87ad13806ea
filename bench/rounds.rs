//! A B A B …, so that what the machine does meanwhile happens to all of them.

/// Measures every contender once in each round, in the other order in every second one. The result is by
/// contender, and then by round.
///
/// # Errors
/// The first of `measure`.
pub(crate) fn interleaved<C, T>(
    rounds: usize,
    contenders: &[C],
    mut measure: impl FnMut(&C) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<Vec<T>>> {
    let mut measured: Vec<Vec<T>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for contender in order {
            measured[contender].push(measure(&contenders[contender])?);
        }
    }
    Ok(measured)
}
