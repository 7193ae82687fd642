//! Explains TLS errors, with a remedy.

use rustls::{AlertDescription, CertificateError, Error, OtherError};

/// Explains a TLS error of the server `host`, or returns `None` for other errors.
pub(crate) fn explain(error: &Error, host: &str) -> Option<String> {
    use CertificateError as Bad;
    Some(match error {
        Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => {
                format!(
                    "the certificate of {host} has expired; its operator must renew it, unless this machine's clock is wrong"
                )
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                format!("the certificate of {host} is not valid yet; check this machine's clock")
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                format!("the certificate of {host} is for another host; check the host in the base URL")
            }
            Bad::UnknownIssuer => format!(
                "the certificate of {host} is self-signed or has an unknown issuer; if you trust it, add the issuer's \
                 certificate, or the self-signed one, with `extra_roots_pem`"
            ),
            Bad::Other(OtherError(other))
                if matches!(other.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
            {
                format!(
                    "the certificate of {host} is that of an authority, like many self-signed ones; sign the server's \
                     certificate with a private authority, and add that with `extra_roots_pem`"
                )
            }
            Bad::Revoked => format!("the certificate of {host} was revoked"),
            _ => format!("the certificate of {host} cannot be trusted"),
        },
        // Servers without TLS 1.2 send an alert, or choose an older version.
        Error::PeerIncompatible(_) | Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            format!("{host} supports neither TLS 1.2 nor 1.3, or no secure cipher")
        }
        Error::InvalidMessage(_) => {
            format!("{host} does not speak TLS on this port; check the port in the base URL")
        }
        _ => return None,
    })
}
