// The page: which sections there are, in which order, and what is said where one has no data.
import { charts } from './chart.js';
import { bands, hasBands } from './charts/bands.js';
import { comparison } from './charts/comparison.js';
import { curves } from './charts/curves.js';
import { fidelity } from './charts/fidelity.js';
import { bubbles, hasPipelines, pathSteps, pipelineWords } from './charts/pipeline.js';
import { hasPlans, plans, planTables } from './charts/plans.js';
import { energy, memory, traffic } from './charts/resources.js';
import { rounds, waitedFor } from './charts/rounds.js';
import { sideBySide } from './charts/sidebyside.js';
import { sensors } from './charts/sensors.js';
import { hasStashes, stash } from './charts/stash.js';
import { participation, staleness } from './charts/staleness.js';
import { sweepMap } from './charts/sweep_map.js';
import { sweepPareto } from './charts/sweep_pareto.js';
import { idle, time } from './charts/time.js';
import { namesWidth, SharedWindow, timeline } from './charts/timeline.js';
import { hasTraces, trace } from './charts/trace.js';
import { winners } from './charts/winners.js';
import { button, el, fillSelect, refill, select } from './dom.js';
import { count } from './format.js';
import { leaving } from './leaving.js';
import { scenario, summary } from './summary.js';
import { unfinished } from './sweeps.js';
import { isDark, onTheme, setDark } from './theme.js';

export class Page {
  constructor(data) {
    this.data = data;
    this.runs = data.runs;
    this.run = data.runs[0]; // the chosen one, of sections that show one
    this.choosers = [];
    this.changing = []; // fill parts other than charts that show the chosen run
  }

  choose(run) {
    this.run = run;
    for (const box of this.choosers) fillSelect(box, this.names(), this.runs.indexOf(run));
    this.refresh();
  }

  refresh() {
    for (const fill of this.changing) fill();
    this.redraw();
  }

  // The chosen run has grown.
  redraw() {
    for (const figure of charts.values()) figure.refresh();
  }

  // A number for each group of runs, which gives it its colour and symbol in all charts. A run that
  // belongs to no group is one itself.
  groupIndex(label) {
    if (!this.groups) {
      const { comparison, bands } = this.data;
      const labels = [
        ...(comparison?.groups ?? []).map((group) => group.label),
        ...(bands ?? []).map((band) => band.group),
      ];
      this.groups = new Map([...new Set(labels)].map((each, i) => [each, i]));
    }
    if (!this.groups.has(label)) this.groups.set(label, this.groups.size);
    return this.groups.get(label);
  }

  runIndex(run) {
    const group = this.data.comparison?.groups.find(({ runs }) => runs.includes(run.label));
    return this.groupIndex(group?.label ?? run.label);
  }

  names() {
    return this.runs.map((run, i) => [i, run.label]);
  }

  // Chooses the run of a section; all sections follow.
  chooser() {
    if (this.runs.length < 2) return null;
    const label = select('Run', this.names(), this.runs.indexOf(this.run), (i) =>
      this.choose(this.runs[i])
    );
    this.choosers.push(label.querySelector('select'));
    return label;
  }

  // An element whose content follows the chosen run.
  following(make) {
    return this.part(() => (this.run ? make(this.run) : []));
  }

  // An element whose content is made anew when the data or the chosen run change.
  part(make) {
    const element = el('div', { class: 'part' });
    element.fill = () => refill(element, ...[make()].flat());
    this.changing.push(element.fill);
    element.fill();
    return element;
  }

  build(panel) {
    const sections = this.sections();
    const first = this.runs[0]?.name ?? this.data.sweeps[0]?.name;
    this.heading = el('h1', {}, this.title(first));
    document.getElementById('app').replaceChildren(
      el('a', { class: 'skip', href: '#main' }, 'Skip to the report'),
      el(
        'header',
        {},
        el(
          'div',
          { class: 'top' },
          el('div', {}, el('p', { class: 'brand' }, 'Convoy'), this.heading),
          (this.theme ??= themeButton())
        ),
        (this.made = el('p', { class: 'made' })),
        (this.chips = el('p', { class: 'chips' })),
        panel
      ),
      el(
        'nav',
        { 'aria-label': 'Contents' },
        el(
          'ul',
          {},
          sections.map(({ id, title }) => el('li', {}, el('a', { href: `#${id}` }, title)))
        )
      ),
      el(
        'main',
        { id: 'main', tabindex: '-1' },
        sections.map(({ id, title, run, parts }) =>
          el(
            'section',
            { id, 'aria-labelledby': `${id}-title` },
            el(
              'div',
              { class: 'heading' },
              el('h2', { id: `${id}-title` }, title),
              run ? this.chooser() : null
            ),
            parts.map((part) => part?.element ?? part)
          )
        )
      ),
      el(
        'footer',
        {},
        el(
          'p',
          {},
          `Made by ${this.data.made_by}. Nothing in this page asks anything of the network` +
            `${this.data.live ? ` but the ${this.data.live} itself` : ''}.`
        )
      )
    );
    this.fillChips();
  }

  title(name) {
    const names = new Set([...this.runs, ...this.data.sweeps].map((each) => each.name));
    return names.size > 1
      ? `${name} and ${count(names.size - 1)} more`
      : (name ?? (this.data.live ? `Live ${this.data.live}` : 'Report'));
  }

  // What the runs are made of: model, data, fleet, schedules, seeds.
  madeOf() {
    const all = (key) => [...new Set(this.runs.map((run) => run[key]).filter(Boolean))];
    const some = (key, many) => listed(all(key), many);
    const seeds = all('seed').map(String).sort(byNumber);
    return [
      some('model', 'models'),
      some('data', 'sources of data'),
      some('fleet', 'fleets'),
      some('schedule', 'schedules'),
      seeds.length ? seedsText(seeds) : '',
      ...this.data.sweeps.map((sweep) => `sweep over ${sweep.keys.join(', ')}`),
    ]
      .filter(Boolean)
      .join(' · ');
  }

  fillChips() {
    const many = this.runs.length > 1;
    const statuses = ['done', 'running', 'stopped', 'failed']
      .map((status) => [status, this.runs.filter((run) => run.status === status).length])
      .filter(([, runs]) => runs);
    const sweeps = this.data.sweeps.length;
    this.made.textContent = this.madeOf();
    this.chips.replaceChildren(
      ...statuses.map(([status, runs]) =>
        el('span', { class: `chip ${status}` }, many ? `${count(runs)} ${status}` : status)
      ),
      sweeps ? el('span', { class: 'chip' }, sweeps > 1 ? `${count(sweeps)} sweeps` : 'sweep') : ''
    );
  }

  sections() {
    const { data } = this;
    const some = this.runs.length > 0;
    this.summary = this.following(() => summary(this.runs));
    const one = (id, title, parts) => ({ id, title, run: true, parts });
    return [
      some && { id: 'summary', title: 'Summary', parts: [this.summary] },
      data.comparison?.figures.length > 0 && {
        id: 'compared',
        title: 'Comparison',
        parts: comparison(this),
      },
      (some || hasBands(data)) && {
        id: 'learning',
        title: 'Accuracy and loss',
        parts: [...(hasBands(data) ? bands(this) : []), ...(some ? curves(this, hasBands(data)) : [])],
      },
      this.runs.length > 1 && { id: 'sides', title: 'Side by side', parts: sideBySide(this) },
      some && one('activities', 'Timeline', this.timelineParts()),
      some &&
        hasPipelines(this) &&
        one('pipeline', 'Pipeline', [
          bubbles(this),
          pathSteps(this),
          this.following((run) => pipelineWords(run)),
        ]),
      some &&
        one('times', 'Where the time went', [
          time(this),
          idle(this),
          rounds(this),
          this.following((run) =>
            run.rounds.node.length
              ? [el('h3', {}, 'Whom the rounds waited for'), waitedFor(run)]
              : []
          ),
        ]),
      some &&
        hasPlans(this) &&
        one('plan', 'Plans', [plans(this), this.following((run) => planTables(run))]),
      some && one('memories', 'Memory', [memory(this)]),
      some &&
        one('participations', 'Staleness and participation', [
          staleness(this),
          participation(this),
        ]),
      some &&
        one('resources', 'Bytes and energy', [
          this.following((run) => leaving(run)),
          traffic(this),
          energy(this),
          this.hasReadings() ? sensors(this) : null,
        ]),
      data.fidelity.length > 0 && {
        id: 'fidelities',
        title: 'Simulated against measured',
        parts: fidelity(this),
      },
      ...data.sweeps.map((sweep, i) => ({
        id: `sweep${i || ''}`,
        title: data.sweeps.length > 1 ? `Sweep ${sweep.label}` : 'Sweep',
        parts: sweep.figures.length
          ? [
              winners(this, sweep, i ? `-${i + 1}` : ''),
              sweepMap(this, sweep, i ? `-${i + 1}` : ''),
              sweepPareto(this, sweep, i ? `-${i + 1}` : ''),
              this.part(() => unfinished(sweep, data.live)),
            ]
          : [this.part(() => unfinished(sweep, data.live))],
      })),
      some && {
        id: 'scenarios',
        title: 'Scenario and build',
        parts: [this.following(() => scenario(this.runs))],
      },
    ].filter(Boolean);
  }

  // The traces that drove nodes stand below the timeline, on its time axis.
  timelineParts() {
    const shared = new SharedWindow();
    const above = timeline(this, { shared });
    const left = (size) => namesWidth([this.run], size);
    return [
      above,
      hasStashes(this) ? stash(this, above, shared, left) : null,
      hasTraces(this) ? trace(this, above, shared, left) : null,
    ];
  }

  hasReadings() {
    return this.data.live || this.runs.some((run) => run.readings.node.length > 0);
  }
}

// Seeds have 64 bits: more than numbers of JavaScript.
const byNumber = (a, b) => a.length - b.length || (a < b ? -1 : 1);

const seedsText = (seeds) =>
  seeds.length === 1
    ? `seed ${seeds[0]}`
    : `${seeds.length > 6 ? '' : 'seeds '}${listed(seeds, 'seeds')}`;

const listed = (texts, many) =>
  texts.length > 6 ? `${count(texts.length)} ${many}` : texts.join(', ');

function themeButton() {
  const toggle = button('', () => setDark(!isDark()), { class: 'theme', id: 'theme' });
  const fill = () => {
    toggle.textContent = isDark() ? 'Light' : 'Dark';
    toggle.setAttribute(
      'aria-label',
      isDark() ? 'Switch to light colours' : 'Switch to dark colours'
    );
  };
  onTheme(fill);
  fill();
  return toggle;
}

// One chart after the other, so that the page answers in between.
export async function drawAll() {
  for (const figure of [...charts.values()]) {
    figure.create();
    await new Promise((resolve) => setTimeout(resolve));
  }
}
