//! Certificates for tests of TLS.
//!
//! MySQL makes its own at initialisation, MariaDB 10.11 none, and `openssl` may not be installed. So both flavours get a server
//! certificate of a CA made here, valid for the names a test can dial; a second CA, which signed nothing, is there to be refused.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// The files, all in PEM form.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The CA that signed the servers' certificate.
    pub ca: PathBuf,
    /// A CA that did not.
    pub wrong_ca: PathBuf,
    /// The servers' certificate, for `127.0.0.1` and `localhost`.
    pub server: PathBuf,
    /// Its key.
    pub server_key: PathBuf,
}

impl Certificates {
    /// Makes them in the new folder `folder`.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir(folder)?;
        let it = Self {
            ca: folder.join("ca.pem"),
            wrong_ca: folder.join("wrong-ca.pem"),
            server: folder.join("server-cert.pem"),
            server_key: folder.join("server-key.pem"),
        };
        let made = |error: rcgen::Error| io::Error::other(error);
        let ca = authority("test CA").map_err(made)?;
        let wrong_ca = authority("wrong test CA").map_err(made)?;
        let (certificate, key) = server(&ca).map_err(made)?;

        fs::write(&it.ca, ca.pem())?;
        fs::write(&it.wrong_ca, wrong_ca.pem())?;
        fs::write(&it.server, certificate)?;
        fs::write(&it.server_key, key)?;
        Ok(it)
    }
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

/// The certificate and its key.
fn server(ca: &CertifiedIssuer<'static, KeyPair>) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "test server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, ca)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
