//! Addresses in CIDR notation, read strictly: a slip in a list of whom to trust opens a door.

use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that begin with the same bits: `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        same_start(self.address, address) >= self.prefix
    }
}

/// How many bits two addresses have in common before they differ; none when they are of two kinds.
fn same_start(one: IpAddr, other: IpAddr) -> u32 {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => 0,
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("{text:?} is no address such as 10.1.2.3 or 2001:db8::1"))?;
        if address.to_canonical() != address {
            return Err(format!("{text:?}: write it as an IPv4 address"));
        }
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(prefix) => prefix
                .parse()
                .ok()
                .filter(|_| prefix.bytes().all(|digit| digit.is_ascii_digit()))
                .filter(|prefix| *prefix <= bits)
                .ok_or_else(|| format!("{text:?}: behind the slash is a number up to {bits}"))?,
        };
        if prefix == 0 {
            return Err(format!(
                "{text:?} is everybody: whoever calls could then choose their address"
            ));
        }
        let rest = match address {
            IpAddr::V4(address) => address.to_bits().trailing_zeros(),
            IpAddr::V6(address) => address.to_bits().trailing_zeros(),
        };
        if rest < bits - prefix {
            return Err(format!("{text:?} has bits behind the first {prefix}"));
        }
        Ok(Self { address, prefix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_exactly_the_addresses_that_begin_as_it_does() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "a00::", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7/32", "192.0.2.6", false),
            ("128.0.0.0/1", "203.0.113.7", true),
            ("128.0.0.0/1", "127.0.0.1", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
            ("::1", "::1", true),
        ] {
            let network: Network = network.parse().unwrap();
            let address = address.parse().unwrap();
            assert_eq!(network.contains(address), inside, "{network:?} {address}");
        }
    }
}
