// A run that is going on: the panel at the top, and the growth of the tables.
import { charts } from './chart.js';
import { connect, throttled } from './connection.js';
import { button, el, refill, table } from './dom.js';
import { count, number, percent, seconds } from './format.js';
import { drawAll } from './page.js';
import { Panel } from './panel.js';

const least = 250; // ms between two updates of the charts

export function live(page) {
  const panel = new RunPanel((what) => connection.send({ do: what }));
  let last = null; // `now`
  const update = throttled(() => {
    charts.get('timeline')?.grow();
    page.redraw();
    page.summary.fill();
    if (last) panel.now(last, page.run);
  }, least);

  const connection = connect(
    {
      run(message) {
        last = null;
        panel.connected(message);
        take(page, message.run, panel);
      },
      rows(message) {
        const before = page.run.pipeline;
        append(page.run, message);
        if (!before && page.run.pipeline) rebuild(page, panel);
        keepUp(page.run, last);
        update();
      },
      now(message) {
        last = message;
        keepUp(page.run, last);
        update();
      },
      end(message) {
        connection.end();
        last = null;
        take(page, message.run, panel);
        panel.ended(message.run);
      },
      refused: (message) => panel.say(`Refused: ${message.why}`, true),
    },
    panel
  );
  return panel.element;
}

function take(page, run, panel) {
  const first = page.runs.length === 0;
  page.runs = [run];
  if (first) {
    page.run = run;
    page.build(panel.element);
    drawAll();
  } else {
    const before = page.run.pipeline;
    page.choose(run);
    page.fillChips();
    if (!before && run.pipeline) rebuild(page, panel);
  }
}

// A run turned out to be one of pipelines, which have charts of their own.
function rebuild(page, panel) {
  for (const figure of [...charts.values()]) figure.dispose();
  page.choosers = [];
  page.changing = [];
  page.build(panel.element);
  drawAll();
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

class RunPanel extends Panel {
  constructor(send) {
    const nodes = el('div', { class: 'now' });
    const pause = button('Pause', () => send(this.paused ? 'resume' : 'pause'), {
      id: 'pause',
      hidden: true,
    });
    super('run', send, { buttons: [pause], below: [nodes] });
    this.nodes = nodes;
    this.pause = pause;
    this.paused = false;
    this.doing = ''; // what was said last of the run: running, pausing, paused
    this.last = null; // `now`
  }

  connected({ run, may_control: may, pausable }) {
    this.say(`${run.name} is ${run.status === 'running' ? 'running' : run.status}.`);
    this.doing = ''; // it may have been paused meanwhile, or gone on
    this.stop.hidden = !may;
    this.pause.hidden = !may || !pausable;
    this.stop.disabled = this.pause.disabled = false;
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
    this.tell({ ...this.last, share: this.progress.value }, run);
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
    this.tell(now, run);
    this.fillNodes(now, run);
    this.announce(
      `${percent(now.share)} done, ${count(run.figures.rounds)} rounds, virtual time ` +
        `${seconds(now.virtual_time_s)}.`
    );
  }

  tell(now, run) {
    const { rounds, tasks, tasks_failed: failed, accuracy } = run.figures;
    const speed = now.virtual_time_s / now.wall_time_s;
    this.fillFacts([
      ['virtual time', seconds(run.virtual_time_s)],
      ['wall time', seconds(now.wall_time_s)],
      ['speed', speed > 0 ? `× ${number(speed, 3)}` : '–'],
      ['lag of real nodes', now.lag_ms === null ? '–' : `${number(now.lag_ms, 3)} ms`],
      ['done', percent(now.share)],
      ['rounds', count(rounds)],
      ['node updates', `${count(tasks)}${failed ? ` (${count(failed)} failed)` : ''}`],
      ['accuracy', percent(accuracy)],
    ]);
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
