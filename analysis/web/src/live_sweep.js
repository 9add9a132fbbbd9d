// A sweep that is going on: the panel at the top; charts and tables are renewed when a point is done.
import { charts } from './chart.js';
import { connect, throttled } from './connection.js';
import { el, more, refill, table } from './dom.js';
import { count, percent, seconds } from './format.js';
import { drawAll } from './page.js';
import { Panel } from './panel.js';

const least = 1000; // ms between two updates of the charts
const mostListed = 1000; // points

export function liveSweep(page) {
  const panel = new SweepPanel((what) => connection.send({ do: what }));
  let fresh = null; // a report that is not shown yet
  const show = throttled(async () => {
    // A list that is open would close.
    if (document.activeElement?.tagName === 'SELECT') {
      setTimeout(show, least);
      return;
    }
    const data = fresh;
    fresh = null;
    if (data) await renew(page, data, panel);
  }, least);
  const take = (data) => {
    fresh = data;
    panel.takes(data.sweeps[0]);
    show();
  };
  const connection = connect(
    {
      sweep: (message) => panel.connected(message),
      report: (message) => take(message.data),
      now: (message) => panel.now(message),
      end(message) {
        connection.end();
        take(message.data);
        panel.ended(message.status);
      },
      refused: (message) => panel.say(`Refused: ${message.why}`, true),
    },
    panel
  );
  return panel.element;
}

// Where the same parts are there as before, their data alone are replaced; else the page is built
// anew, with the reader's choices.
async function renew(page, data, panel) {
  const { live } = page.data;
  const same = shape(page.data) === shape(data);
  if (same) {
    overwrite(page.data, { ...data, live });
    page.refresh();
    page.fillChips();
    return;
  }
  const choices = [...charts.values()].map(choicesOf);
  const place = window.scrollY;
  charts.clear();
  Object.assign(page, { data: { ...data, live }, groups: null, choosers: [], changing: [] });
  page.build(panel.element);
  for (const each of choices) choose(each);
  await drawAll();
  window.scrollTo(0, place);
}

// What the page's parts and controls are made from.
const shape = ({ sweeps, comparison, bands }) =>
  JSON.stringify([
    sweeps.map(({ keys, figures }) => [keys, figures.map(({ key, target }) => [key, target])]),
    sweeps.map(({ points }) => points.some(({ status }) => status === 'done')),
    comparison && [
      comparison.baseline,
      comparison.groups.map(({ label }) => label),
      comparison.figures.map(({ key, target }) => [key, target]),
    ],
    bands.map(({ group, x, y }) => [group, x, y]),
  ]);

// Charts hold on to parts of the data: these become what is in `from`.
function overwrite(into, from) {
  if (Array.isArray(into)) into.length = from.length;
  else for (const key of Object.keys(into)) if (!(key in from)) delete into[key];
  for (const [key, value] of Object.entries(from)) {
    const both = [into[key], value];
    const alike = both.every((each) => each && typeof each === 'object');
    if (alike && Array.isArray(into[key]) === Array.isArray(value)) overwrite(into[key], value);
    else into[key] = value;
  }
}

// What the reader has chosen of a chart: by text, since the numbers of options may change.
const choicesOf = ({ id, element, selected, zooms }) => ({
  id,
  selected,
  zooms,
  texts: [...element.querySelectorAll('.controls select')].map(
    (box) => box.selectedOptions[0]?.textContent
  ),
});

function choose({ id, selected, zooms, texts }) {
  const figure = charts.get(id);
  if (!figure) return;
  Object.assign(figure, { selected, zooms });
  [...figure.element.querySelectorAll('.controls select')].forEach((box, i) => {
    const option = [...box.options].find((each) => each.textContent === texts[i]);
    if (!option || option.selected) return;
    box.value = option.value;
    box.dispatchEvent(new Event('change'));
  });
}

class SweepPanel extends Panel {
  constructor(send) {
    const running = el('div', { class: 'now' });
    const opened = {};
    const all = el('div', { class: 'now' });
    super('sweep', send, { below: [running, more('All points', all, opened)] });
    this.running = running;
    this.all = all;
    this.sweep = null;
    this.states = '';
    this.over = false;
  }

  connected({ may_control: may }) {
    this.say('The sweep is running.');
    this.stop.hidden = !may;
    this.stop.disabled = false;
  }

  takes(sweep) {
    this.sweep = sweep;
    if (this.last) this.fillAll(this.last);
  }

  now(now) {
    this.last = now;
    const over = now.done + now.failed;
    const shares = now.running.share.reduce((sum, share) => sum + share, 0);
    this.progress.value = now.points ? (over + shares) / now.points : 1;
    this.fillFacts([
      ['points done', `${count(now.done)} of ${count(now.points)}`],
      ['failed', count(now.failed)],
      ['running', count(now.running.point.length)],
      ['done', percent(this.progress.value)],
      ['wall time', seconds(now.wall_time_s)],
      ['left, about', now.left_s === null ? '–' : seconds(Math.ceil(now.left_s))],
    ]);
    this.fillRunning(now);
    this.fillAll(now);
    this.announce(`${count(now.done)} of ${count(now.points)} points are done.`);
  }

  fillRunning({ running }) {
    if (!this.sweep) return;
    const rows = running.point.map((point, i) => [
      ...this.sweep.points[point].settings,
      percent(running.share[i]),
    ]);
    refill(
      this.running,
      rows.length
        ? table('Points that are running', [...this.sweep.keys, 'done'], rows, {
            texts: this.sweep.keys.length,
          })
        : el('p', { class: 'note' }, 'No point is running.')
    );
  }

  // A point that is done leads to the report of its run.
  fillAll({ running }) {
    if (!this.sweep) return;
    const { keys, points } = this.sweep;
    const now = new Set(running.point);
    const rest = this.over ? 'not run' : 'waiting';
    const states = points
      .slice(0, mostListed)
      .map(({ status }, i) => (now.has(i) ? 'running' : status === 'missing' ? rest : status));
    if (this.states === states.join()) return; // a link would go while it is being clicked
    this.states = states.join();
    const shown = (i) => (states[i] === 'done' && !this.over ? link(i) : states[i]);
    refill(
      this.all,
      table(
        'All points of the sweep',
        [...keys, 'state', 'cause'],
        states.map((_, i) => [...points[i].settings, shown(i), points[i].cause]),
        { texts: 99, names: false }
      ),
      points.length > mostListed
        ? el('p', { class: 'note' }, `The first ${count(mostListed)} are listed.`)
        : el('p')
    );
  }

  ended(status) {
    this.say(
      `The sweep is over: ${status}. This is its report.` +
        (status === 'done' ? '' : ' The same command continues it.'),
      status === 'failed'
    );
    if (status === 'done') this.progress.value = 1;
    this.stop.hidden = true;
    this.running.replaceChildren();
    this.over = true;
    this.fillAll({ running: { point: [], share: [] } });
  }
}

// While the sweep is running, its server has the reports of points.
const link = (point) =>
  el('a', { href: `point/${point}${location.search}`, target: '_blank', rel: 'noopener' }, 'done');
