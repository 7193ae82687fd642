//! Why no TLS session was made, in words that say what to do.

use rustls::{AlertDescription, CertificateError, Error, OtherError};

use super::verifier::SelfSigned;

/// What is wrong with the server called `host`, as far as it can be told from the error.
pub(crate) fn explain(error: &Error, host: &str) -> Option<String> {
    use CertificateError as Bad;
    Some(match error {
        Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => {
                format!(
                    "the certificate of {host} has expired; its operator must renew it, or this clock is wrong"
                )
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                format!("the certificate of {host} is not valid yet; this clock may be wrong")
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                format!("the certificate of {host} is for another host; the base URL may have the wrong name")
            }
            Bad::UnknownIssuer => format!(
                "the certificate of {host} has an unknown issuer; if that authority is your own, add it with \
                 `extra_roots_pem`"
            ),
            Bad::Other(OtherError(other)) if other.is::<SelfSigned>() => format!(
                "the certificate of {host} is self-signed; if it is your own, have it signed by an authority of your \
                 own and add that with `extra_roots_pem`"
            ),
            Bad::Revoked => format!("the certificate of {host} was revoked"),
            _ => format!("the certificate of {host} cannot be trusted"),
        },
        // Servers without TLS 1.2 say so in an alert, or choose an older version in their answer.
        Error::PeerIncompatible(_) | Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            format!("{host} speaks neither TLS 1.2 nor 1.3, or no cipher that is still safe")
        }
        Error::InvalidMessage(_) => {
            format!("{host} does not speak TLS on this port; the base URL may need another port")
        }
        _ => return None,
    })
}
