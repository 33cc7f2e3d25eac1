//! Real proxies from Debian's packages, for tests of how they ask the gate: nginx and Caddy.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::deadline::{WAIT, eventually};

/// What a proxy says goes here.
const LOG: &str = "log";

/// A proxy that runs. Dropping it ends its process.
#[derive(Debug)]
pub struct FrontProxy {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl FrontProxy {
    /// nginx with one server that listens and has `server` in it, for instance its locations.
    pub async fn nginx(server: &str) -> Self {
        Self::start(|folder, address| {
            let shown = folder.display();
            // One process, which ends with its terminal; nothing in places that are others'.
            let text = format!(
                "daemon off;\nmaster_process off;\nerror_log stderr;\npid {shown}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n\
                 client_body_temp_path {shown}/1;\nproxy_temp_path {shown}/2;\nfastcgi_temp_path {shown}/3;\n\
                 uwsgi_temp_path {shown}/4;\nscgi_temp_path {shown}/5;\nserver {{\nlisten {address};\n{server}\n}}\n}}\n"
            );
            let file = folder.join("nginx.conf");
            fs::write(&file, text).unwrap();
            let mut command = Command::new("nginx");
            command.arg("-c").arg(file).arg("-p").arg(folder).arg("-e").arg("stderr");
            command
        })
        .await
    }

    /// Caddy with one site that has `site` in it.
    pub async fn caddy(site: &str) -> Self {
        Self::start(|folder, address| {
            let text = format!(
                "{{\nadmin off\nauto_https off\n}}\nhttp://:{} {{\nbind 127.0.0.1\n{site}\n}}\n",
                address.port()
            );
            let file = folder.join("Caddyfile");
            fs::write(&file, text).unwrap();
            let mut command = Command::new("caddy");
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
            command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
            command
        })
        .await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    async fn start(command: impl Fn(&Path, SocketAddr) -> Command) -> Self {
        let mut said = String::new();
        // Somebody else may take the port between our look at it and the proxy's.
        for _ in 0..5 {
            let folder = tempfile::Builder::new().prefix("portcullis-front-").tempdir().unwrap();
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut process = command(folder.path(), address)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(File::create(folder.path().join(LOG)).unwrap())
                .spawn()
                .expect("the proxy is not installed: see .ci/needs");
            eventually(WAIT, || {
                let is_settled = TcpStream::connect(address).is_ok() || process.try_wait().unwrap().is_some();
                async move { is_settled }
            })
            .await;
            if process.try_wait().unwrap().is_none() {
                return Self { process, address, _folder: folder };
            }
            said = fs::read_to_string(folder.path().join(LOG)).unwrap_or_default();
        }
        panic!("the proxy does not start, and says: {said}");
    }
}

impl Drop for FrontProxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
