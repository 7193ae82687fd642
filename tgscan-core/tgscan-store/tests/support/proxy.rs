//! A network between a store and PostgreSQL that fails at a chosen message of the protocol.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// The fate of a message. Connections that were made before stay as they are afterwards, others are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not arrive, and neither does anything after it in its direction.
    Dropped,
    /// It arrives later.
    Delayed(Duration),
    /// The connection is closed before it.
    Cut,
    /// The connection is closed in the middle of it.
    CutWithin,
    /// The connection is closed after it.
    CutAfter,
    /// Nothing arrives any more on any connection, old or new, until the fault is cleared.
    Silent,
}

#[derive(Default)]
struct State {
    /// The messages of both directions since the last fault was set.
    messages: u64,
    /// The fault and its message.
    fault: Option<(u64, Fault)>,
    is_silent: bool,
    /// The connections that lost a message in the silence.
    lost: usize,
}

struct Network {
    server: PathBuf,
    /// The number of connections that are refused as a server does that is starting.
    starting: AtomicU32,
    state: Mutex<State>,
    /// Notified when a silence ends.
    cleared: Notify,
    /// Notified when a message is lost in a silence.
    lost: Notify,
    /// Whether all connections are closed, old and new.
    is_down: watch::Sender<bool>,
}

/// A proxy on a port of the loopback interface.
pub(crate) struct Proxy {
    address: SocketAddr,
    network: Arc<Network>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of a server's socket.
    pub(crate) async fn start(server: PathBuf) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let network = Arc::new(Network {
            server,
            starting: AtomicU32::new(0),
            state: Mutex::default(),
            cleared: Notify::new(),
            lost: Notify::new(),
            is_down: watch::Sender::new(false),
        });
        let shared = network.clone();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(shared.clone().connect(stream));
            }
        });
        Self { address, network, listening }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@{}/postgres", self.address)
    }

    /// Refuses the next connections, as a server does that is starting.
    pub(crate) fn refuse(&self, connections: u32) {
        self.network.starting.store(connections, Ordering::Relaxed);
    }

    /// Sets the fault of the message with this number, counted from now on.
    pub(crate) fn set(&self, number: u64, fault: Fault) {
        *self.network.state.lock().unwrap() = State { fault: Some((number, fault)), ..State::default() };
    }

    /// Lets nothing arrive any more, in both directions, on all connections.
    pub(crate) fn silence(&self) {
        *self.network.state.lock().unwrap() = State { is_silent: true, ..State::default() };
    }

    /// Closes all connections, and new ones until the faults are cleared.
    pub(crate) fn disconnect(&self) {
        self.network.is_down.send_replace(true);
    }

    /// Waits until this number of connections have lost a message in the silence.
    pub(crate) async fn lost(&self, connections: usize) {
        loop {
            let changed = self.network.lost.notified();
            if self.network.state.lock().unwrap().lost >= connections {
                return;
            }
            changed.await;
        }
    }

    /// Ends a silence, and accepts connections again. Returns how many messages there were, and whether the fault happened.
    pub(crate) fn clear(&self) -> (u64, bool) {
        let state = std::mem::take(&mut *self.network.state.lock().unwrap());
        self.network.cleared.notify_waiters();
        self.network.is_down.send_replace(false);
        (state.messages, state.fault.is_none())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Network {
    async fn connect(self: Arc<Self>, mut client: TcpStream) {
        let _ = client.set_nodelay(true);
        let left =
            self.starting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() {
            let _ = read(&mut client, true).await;
            let fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";
            let len = u32::try_from(4 + fields.len()).unwrap();
            let _ = client.write_all(&[b"E", &len.to_be_bytes()[..], fields].concat()).await;
            return;
        }
        let Ok(server) = UnixStream::connect(&self.server).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // Whichever ends first ends the other.
        let mut is_down = self.is_down.subscribe();
        tokio::select! {
            _ = is_down.wait_for(|is_down| *is_down) => {}
            () = self.pass(from_client, to_server, true) => {}
            () = self.pass(from_server, to_client, false) => {}
        }
    }

    async fn pass(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        mut is_startup: bool,
    ) {
        while let Ok(message) = read(&mut from, is_startup).await {
            is_startup = false;
            let cleared = self.cleared.notified();
            tokio::pin!(cleared);
            cleared.as_mut().enable();
            let fault = {
                let mut state = self.state.lock().unwrap();
                state.messages += 1;
                if state.is_silent {
                    Some(Fault::Silent)
                } else {
                    let number = state.messages;
                    state.fault.take_if(|(at, _)| number > *at).map(|(_, fault)| {
                        state.is_silent = fault == Fault::Silent;
                        fault
                    })
                }
            };
            match fault {
                None => {}
                Some(Fault::Dropped) => {
                    // Until the sender closes the connection.
                    while read(&mut from, false).await.is_ok() {}
                    return;
                }
                Some(Fault::Delayed(time)) => tokio::time::sleep(time).await,
                Some(Fault::Cut) => return,
                Some(Fault::CutWithin) => {
                    let _ = to.write_all(&message[..message.len() / 2]).await;
                    return;
                }
                Some(Fault::CutAfter) => {
                    let _ = to.write_all(&message).await;
                    return;
                }
                // A message that was sent into a silence is lost with its connection.
                Some(Fault::Silent) => {
                    self.state.lock().unwrap().lost += 1;
                    self.lost.notify_one();
                    cleared.await;
                    return;
                }
            }
            if to.write_all(&message).await.is_err() {
                return;
            }
        }
    }
}

/// Reads a message of the protocol. The first one of a client has no type.
async fn read(from: &mut (impl AsyncRead + Unpin), is_startup: bool) -> std::io::Result<Vec<u8>> {
    let head = if is_startup { 4 } else { 5 };
    let mut message = vec![0; head];
    from.read_exact(&mut message).await?;
    let len = u32::from_be_bytes(message[head - 4..].try_into().unwrap());
    message.resize(head - 4 + usize::try_from(len).unwrap(), 0);
    from.read_exact(&mut message[head..]).await?;
    Ok(message)
}
