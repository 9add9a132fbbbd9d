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
  let shown = Promise.resolve();
  // One after the other: charts are drawn while the page answers.
  const show = throttled(() => {
    shown = shown.then(async () => {
      const data = fresh;
      fresh = null;
      if (data) await renew(page, data, panel);
    });
  }, least);
  const take = (data, live) => {
    fresh = { ...data, live };
    panel.takes(data.sweeps[0]);
    show();
  };
  const connection = connect(
    {
      sweep: (message) => panel.connected(message),
      report: (message) => take(message.data, 'sweep'),
      now: (message) => panel.now(message),
      end(message) {
        connection.end();
        take(message.data, '');
        panel.now(message.now);
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
  if (shape(page.data) === shape(data)) {
    overwrite(page.data, data);
    page.refresh();
    page.fillChips();
    return;
  }
  const place = window.scrollY;
  const choices = choicesOf();
  for (const figure of [...charts.values()]) figure.dispose();
  Object.assign(page, { data, groups: null, choosers: [], changing: [] });
  page.build(panel.element);
  choose(choices);
  for (const figure of charts.values()) figure.create(); // so that the page is as long as before
  window.scrollTo(0, place);
  await drawAll();
}

// What the page's parts and controls are made from.
const shape = ({ live, sweeps, comparison, bands }) =>
  JSON.stringify([
    live,
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

// "time to 63 %" is "time to 65 %" when more points are done.
const alike = (text) => text.replace(/[\d.]+/g, '#');

// What the reader has chosen: by text, since the numbers of options may change.
function choicesOf() {
  const main = document.querySelector('main');
  const boxes = [...main.querySelectorAll('select')];
  return {
    figures: [...charts.values()].map(({ id, selected, zooms, data }) => ({
      id,
      selected,
      zooms,
      opened: !data.hidden,
    })),
    selects: boxes
      .filter((box) => box.chosen)
      .map((box) => ({ place: placeOf(box), text: box.selectedOptions[0]?.textContent ?? '' })),
    focus: boxes.includes(document.activeElement) ? placeOf(document.activeElement) : null,
    checks: new Map(
      [...main.querySelectorAll('.choices input')].map((box) => [nameOf(box), box.checked])
    ),
    opened: [...main.querySelectorAll('details[open] > summary')].map(titleOf),
  };
}

// The chart of a select, and which of its controls it is.
function placeOf(box) {
  const figure = box.closest('figure');
  return { id: figure?.id, i: [...(figure?.querySelectorAll('select') ?? [])].indexOf(box) };
}
const boxAt = ({ id, i }) => document.getElementById(id)?.querySelectorAll('select')[i];
const nameOf = (box) => box.closest('label').textContent;
const titleOf = (summary) => alike(summary.textContent);

function choose({ figures, selects, focus, checks, opened }) {
  for (const { id, selected, zooms, opened: open } of figures) {
    const figure = charts.get(id);
    if (!figure) continue;
    Object.assign(figure, { selected, zooms });
    if (open) figure.toggleData();
  }
  for (const { place, text } of selects) {
    const box = boxAt(place);
    const options = [...(box?.options ?? [])];
    const option =
      options.find((each) => each.textContent === text) ??
      options.find((each) => alike(each.textContent) === alike(text));
    if (!option) continue;
    box.value = option.value;
    box.dispatchEvent(new Event('change'));
  }
  for (const box of document.querySelectorAll('main .choices input')) {
    if ((checks.get(nameOf(box)) ?? box.checked) !== box.checked) box.click();
  }
  for (const summary of document.querySelectorAll('main details > summary')) {
    if (opened.includes(titleOf(summary))) summary.parentElement.open = true;
  }
  if (focus) boxAt(focus)?.focus({ preventScroll: true });
}

class SweepPanel extends Panel {
  constructor(send) {
    const running = el('div', { class: 'now' });
    const all = el('div', { class: 'now' });
    super('sweep', send, { below: [running, more('All points', all)] });
    this.running = running;
    this.all = all;
    this.sweep = null;
    this.told = '';
    this.stores = false;
    this.over = false;
  }

  connected({ may_control: may, with_stores: stores }) {
    this.say('The sweep is running.');
    this.stores = stores;
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
      ...(now.stopped ? [['stopped', count(now.stopped)]] : []),
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
    const causes = points.slice(0, mostListed).map(({ cause }) => cause);
    const links = this.stores && !this.over;
    const told = JSON.stringify([states, causes, links]);
    if (this.told === told) return; // a link would go while it is being clicked
    this.told = told;
    const shown = (i) => (states[i] === 'done' && links ? link(i) : states[i]);
    refill(
      this.all,
      table(
        'All points of the sweep',
        [...keys, 'state', 'cause'],
        states.map((_, i) => [...points[i].settings, shown(i), causes[i]]),
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
