// The connection to what is live. Where it breaks, it is tried again for a while.

const patience = 8; // attempts in vain

// `receive`: a function for each type of message; `panel`: told of breaks. Gives {send, end}: after
// end() the connection may close.
export function connect(receive, panel) {
  let socket = null;
  let wait = 500;
  let failures = 0;
  let over = false;
  const open = () => {
    socket = new WebSocket(address());
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.type !== 'refused') {
        wait = 500;
        failures = 0;
      }
      receive[message.type]?.(message);
    };
    socket.onclose = () => {
      if (over) return;
      failures += 1;
      if (failures > patience) {
        panel.lost();
        return;
      }
      panel.disconnected(wait);
      setTimeout(open, wait);
      wait = Math.min(wait * 2, 10000);
    };
  };
  open();
  return {
    send: (message) => socket.send(JSON.stringify(message)),
    end: () => {
      over = true;
    },
  };
}

function address() {
  const token = new URLSearchParams(location.search).get('token');
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const query = token === null ? '' : `?token=${encodeURIComponent(token)}`;
  return `${scheme}//${location.host}/live${query}`;
}

// Calls `act` at most once in `least` ms.
export function throttled(act, least) {
  let timer = null;
  let last = 0;
  return () => {
    timer ??= setTimeout(
      () => {
        timer = null;
        last = performance.now();
        act();
      },
      Math.max(0, last + least - performance.now())
    );
  };
}
