// A run that is going on: the connection, the panel at the top, and the growth of the tables.
import { button, el, refill, table } from './dom.js';
import { count, number, percent, seconds } from './format.js';
import { charts } from './chart.js';
import { drawAll } from './page.js';

const least = 250; // ms between two updates of the charts
const announceEvery = 20000;
const patience = 8; // attempts to connect in vain

export function live(page) {
  const panel = new Panel((what) => socket?.send(JSON.stringify({ do: what })));
  let socket = null;
  let wait = 500;
  let failures = 0;
  let over = false;
  let last = null; // `now`
  const update = throttled(() => {
    charts.get('timeline')?.grow();
    page.redraw();
    page.summary.fill();
    if (last) panel.now(last, page.run);
  });

  const receive = {
    run(message) {
      last = null;
      panel.connected(message);
      take(page, message.run, panel);
    },
    rows(message) {
      append(page.run, message);
      keepUp(page.run, last);
      update();
    },
    now(message) {
      last = message;
      keepUp(page.run, last);
      update();
    },
    end(message) {
      over = true;
      last = null;
      take(page, message.run, panel);
      panel.ended(message.run);
    },
    refused: (message) => panel.say(`Refused: ${message.why}`, true),
  };

  const connect = () => {
    socket = new WebSocket(address());
    socket.onmessage = (event) => {
      wait = 500;
      failures = 0;
      const message = JSON.parse(event.data);
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
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, 10000);
    };
  };
  connect();
  return panel.element;
}

function address() {
  const token = new URLSearchParams(location.search).get('token');
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const query = token === null ? '' : `?token=${encodeURIComponent(token)}`;
  return `${scheme}//${location.host}/live${query}`;
}

function take(page, run, panel) {
  const first = page.runs.length === 0;
  page.runs = [run];
  if (first) {
    page.run = run;
    page.build(panel.element);
    drawAll();
  } else {
    page.choose(run);
    page.fillChips();
  }
}

// What `rows` bring: tables grow, others are replaced.
export function append(run, rows) {
  for (const name of ['updates', 'exits', 'aggregations', 'readings']) extend(run[name], rows[name]);
  extend(run.timeline.activities, rows.activities);
  Object.assign(run, rows.whole);
  run.limited = !rows.whole.figures;
  Object.assign(run.timeline, rows.timeline);
}

// `now` and `rows` come by two ways, one a little after the other. So that tiles, tables and charts
// never contradict each other, all metrics have one source: the rows, from which the charts are drawn.
// Only when a limit is reached, and rows bring no metrics any more, are counts those of `now`.
export function keepUp(run, now) {
  const { figures } = run;
  if (now) {
    run.virtual_time_s = Math.max(run.virtual_time_s ?? 0, now.virtual_time_s);
    if (run.limited)
      for (const key of ['rounds', 'tasks', 'tasks_failed'])
        figures[key] = Math.max(figures[key] ?? 0, now[key]);
  }
  const { accuracy } = run.curve;
  figures.accuracy = accuracy.length ? accuracy[accuracy.length - 1] : null;
  figures.accuracy_best = accuracy.length ? accuracy.reduce((a, b) => Math.max(a, b)) : null;
}

function extend(columns, more) {
  if (!more) return;
  for (const [key, values] of Object.entries(more))
    for (const value of values) columns[key].push(value);
}

function throttled(act) {
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

class Panel {
  constructor(send) {
    this.state = el('p', { class: 'state' }, 'Connecting …');
    this.announcement = el('p', { class: 'unseen', role: 'status', 'aria-live': 'polite' });
    this.progress = el('progress', {
      max: '1',
      value: '0',
      'aria-label': 'Share of the way to the end',
    });
    this.facts = el('dl', { class: 'facts' });
    this.nodes = el('div', { class: 'now' });
    this.pause = button('Pause', () => send(this.paused ? 'resume' : 'pause'), {
      id: 'pause',
      hidden: true,
    });
    this.stop = button('Stop', () => send('stop'), { id: 'stop', hidden: true });
    this.paused = false;
    this.doing = ''; // what was said last of the run: running, pausing, paused
    this.last = null; // `now`
    this.announced = -Infinity;
    this.element = el(
      'section',
      { class: 'live', 'aria-label': 'The run now' },
      el(
        'div',
        { class: 'heading' },
        this.state,
        el('div', { class: 'group' }, this.pause, this.stop)
      ),
      this.progress,
      this.announcement,
      this.facts,
      this.nodes
    );
  }

  say(text, bad = false) {
    this.state.textContent = text;
    this.state.classList.toggle('bad', bad);
    this.announcement.textContent = text;
    this.announced = performance.now();
  }

  connected({ run, may_control: may, pausable }) {
    this.say(`${run.name} is ${run.status === 'running' ? 'running' : run.status}.`);
    this.doing = ''; // it may have been paused meanwhile, or gone on
    this.stop.hidden = !may;
    this.pause.hidden = !may || !pausable;
    this.stop.disabled = this.pause.disabled = false;
  }

  disconnected(wait) {
    this.say(`The connection is lost. Trying again in ${seconds(wait / 1000)}.`, true);
    this.stop.disabled = this.pause.disabled = true;
  }

  lost() {
    this.say('The run cannot be reached any more: it is over, or was ended. This is what was seen.', true);
  }

  ended(run) {
    this.say(
      `The run is over: ${run.status}${run.cause ? ` (${run.cause})` : ''}. This is its report.`,
      run.status === 'failed'
    );
    this.progress.value = run.status === 'done' ? 1 : this.progress.value;
    this.stop.hidden = this.pause.hidden = true;
    this.nodes.replaceChildren();
    this.rowsOf = null;
    if (!this.last) return;
    this.fillFacts({ ...this.last, share: this.progress.value }, run);
  }

  now(now, run) {
    const doing = now.paused ? (now.at_rest ? 'paused' : 'pausing') : 'running';
    if (this.doing !== doing) {
      this.doing = doing;
      this.paused = now.paused;
      this.pause.textContent = now.paused ? 'Resume' : 'Pause';
      this.say(
        {
          paused: 'Paused.',
          pausing: 'Stopping at the end of this moment of the run …',
          running: `${run.name} is running.`,
        }[doing]
      );
    }
    this.progress.value = now.share;
    this.last = now;
    this.fillFacts(now, run);
    this.fillNodes(now, run);
    if (performance.now() - this.announced > announceEvery) {
      this.announced = performance.now();
      this.announcement.textContent =
        `${percent(now.share)} done, ${count(run.figures.rounds)} rounds, virtual time ` +
        `${seconds(now.virtual_time_s)}.`;
    }
  }

  fillFacts(now, run) {
    const { rounds, tasks, tasks_failed: failed, accuracy } = run.figures;
    const speed = now.virtual_time_s / now.wall_time_s;
    const facts = [
      ['virtual time', seconds(run.virtual_time_s)],
      ['wall time', seconds(now.wall_time_s)],
      ['speed', speed > 0 ? `× ${number(speed, 3)}` : '–'],
      ['lag of real nodes', now.lag_ms === null ? '–' : `${number(now.lag_ms, 3)} ms`],
      ['done', percent(now.share)],
      ['rounds', count(rounds)],
      ['node updates', `${count(tasks)}${failed ? ` (${count(failed)} failed)` : ''}`],
      ['accuracy', percent(accuracy)],
    ];
    this.facts.replaceChildren(
      ...facts.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)))
    );
  }

  // A row for every node of the page, also before its first task; the rows stay, their texts change.
  fillNodes({ nodes, virtual_time_s: time }, run) {
    if (this.rowsOf !== run) this.makeRows(run);
    const doing = new Map(nodes.node.map((node, i) => [node, i]));
    const busy = nodes.away.filter((away) => !away).length;
    this.atWork.textContent =
      `${count(busy)} of ${count(run.nodes.id.length + run.nodes_left_out)} nodes are at work.` +
      (run.nodes_left_out ? ` The first ${count(run.nodes.id.length)} are listed.` : '');
    run.nodes.id.forEach((id, row) => {
      const i = doing.get(id);
      const what = i === undefined ? 'idle' : nodes.away[i] ? 'away' : nodes.label[i];
      put(this.rows[row].what, what);
      put(
        this.rows[row].since,
        i === undefined ? '–' : seconds(Math.max(0, time - nodes.since_s[i]))
      );
    });
  }

  makeRows(run) {
    this.rowsOf = run;
    this.atWork = el('p', { class: 'note' });
    this.rows = run.nodes.id.map(() => ({ what: el('span'), since: el('span') }));
    refill(
      this.nodes,
      this.atWork,
      table(
        'Who does what now',
        ['node', 'does', 'for'],
        run.nodes.name.map((name, i) => [
          `${run.nodes.real[i] ? '● ' : ''}${name}`,
          this.rows[i].what,
          this.rows[i].since,
        ]),
        { texts: 2 }
      )
    );
    // refill may have kept the paragraph that was there.
    this.atWork = this.nodes.querySelector('p');
  }
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
