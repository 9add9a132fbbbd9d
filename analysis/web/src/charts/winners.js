// Who wins in which cell of a sweep: a table over two axes, further axes as further rows. Winners,
// leads and their words come from analysis/winners.hpp; nothing is computed here.
import { el, fillSelect, more, select, table, wholeTable } from '../dom.js';
import { count, known, quantities, quantity } from '../format.js';
import { better, settingIndex } from '../sweeps.js';
import { looks, seriesColour } from '../theme.js';

const signs = { true: '✓', false: '≈' };
const opened = {};

// Nothing if the sweep has no axis with several values.
export function winners(page, sweep, suffix) {
  if (!sweep.winners?.length) return null;
  const state = { contest: 0, metric: 0, down: -1, across: -1 };
  const map = () => sweep.winners[state.contest];
  const part = page.part(() => content(page, sweep, map(), state));
  const axes = ['down', 'across'];
  const boxes = {};
  const keys = () => map().keys.map((key, i) => [i, key]);
  const fill = () => {
    fillSelect(boxes.metric.lastChild, metrics(map()), state.metric);
    for (const axis of axes) {
      boxes[axis].hidden = map().keys.length < 2;
      fillSelect(boxes[axis].lastChild, keys(), state[axis]);
    }
    part.fill();
  };
  const reset = () => {
    state.metric = 0;
    state.down = map().keys.length > 0 ? 0 : -1;
    state.across = map().keys.length > 1 ? 1 : -1;
  };
  const chooseAxis = (axis, other) => (value) => {
    const before = state[axis];
    state[axis] = Number(value);
    // The two are different keys: choosing the other's swaps them.
    if (state[axis] === state[other]) state[other] = before;
    fill();
  };
  reset();
  boxes.metric = select('Metric', metrics(map()), state.metric, (value) => {
    state.metric = Number(value);
    part.fill();
  });
  boxes.down = select('Down', keys(), state.down, chooseAxis('down', 'across'));
  boxes.across = select('Across', keys(), state.across, chooseAxis('across', 'down'));
  const contests = sweep.winners.map((each, i) => [i, each.contest.join(', ')]);
  boxes.contest = select('Contest', contests, state.contest, (value) => {
    state.contest = Number(value);
    reset();
    fill();
  });
  boxes.contest.hidden = contests.length < 2;
  fill();
  return el(
    'figure',
    { id: `winners${suffix}`, class: 'winners', 'aria-labelledby': `winners${suffix}-title` },
    el(
      'figcaption',
      {},
      el(
        'div',
        {},
        el('span', { class: 'title', id: `winners${suffix}-title` }, 'Who wins where'),
        el(
          'span',
          { class: 'note' },
          'In each cell wins the best mean over the seeds. Who has no value with some seed loses to ' +
            'those that have one with all.'
        )
      )
    ),
    el('div', { class: 'controls' }, boxes.contest, boxes.metric, boxes.down, boxes.across),
    part
  );
}

const metrics = (map) => map.metrics.map(({ title }, i) => [i, title]);

function content(page, sweep, map, state) {
  const metric = map.metrics[state.metric];
  const wish = better(metric);
  const styles = map.contestants.map((each, i) => colours(page, sweep, map, each, i));
  return [
    el(
      'p',
      { class: 'note' },
      `${metric.title}, by ${map.contest.join(', ')}` +
        (map.along.length ? ` (with it go ${map.along.join(', ')})` : '') +
        `.${wish ? ` ${wish[0].toUpperCase()}${wish.slice(1)}.` : ''}` +
        (metric.note ? ` ${metric.note}.` : '')
    ),
    legend(map, styles),
    grid(map, state, styles),
    more('All figures of the cells', figures(map, state.metric), opened),
  ];
}

// As properties of CSS for both themes; print uses the light one.
function colours(page, sweep, map, contestant, i) {
  const key = sweep.keys.indexOf(map.contest[0]);
  const alone = map.contest.length === 1;
  const index = alone ? settingIndex(page, sweep, key, contestant.settings[0], i) : i;
  const of = (look) => seriesColour(look, index);
  return `--on-light:${of(looks.light)};--on-dark:${of(looks.dark)}`;
}

const legend = (map, styles) =>
  el(
    'ul',
    { class: 'legend', 'aria-label': 'Legend' },
    map.contestants.map(({ label }, i) =>
      el('li', {}, el('span', { class: 'swatch', style: styles[i] }), label)
    ),
    el('li', {}, `${signs.true} clear: the 95 % interval of the difference at equal seeds excludes 0`),
    el('li', {}, `${signs.false} within the seeds' spread: it does not`)
  );

const values = (map, key) => {
  const found = [...new Set(map.cells.map((cell) => cell.settings[key]))];
  const numbers = found.every((text) => text.trim() !== '' && Number.isFinite(Number(text)));
  return numbers ? found.sort((a, b) => Number(a) - Number(b)) : found;
};

function grid(map, { metric, down, across }, styles) {
  const named = (key, value) =>
    value === '' ? `${map.names[key]} as in the file` : `${map.names[key]} = ${value}`;
  const columns = across < 0 ? [null] : values(map, across);
  // Rows: the axis chosen, then what is left.
  const keys = map.keys.map((_, key) => key).filter((key) => key !== across);
  keys.sort((a, b) => Number(b === down) - Number(a === down));
  const places = new Map();
  for (const cell of map.cells) {
    const row = JSON.stringify(keys.map((key) => cell.settings[key]));
    if (!places.has(row)) places.set(row, new Map());
    places.get(row).set(across < 0 ? null : cell.settings[across], cell);
  }
  const orders = keys.map((key) => values(map, key));
  const rank = (row) => JSON.parse(row).map((value, i) => orders[i].indexOf(value));
  const rows = [...places.keys()].sort((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    const i = left.findIndex((value, at) => value !== right[at]);
    return i < 0 ? 0 : left[i] - right[i];
  });
  const title = map.metrics[metric].title;
  return wholeTable(
    `Who wins by ${title}`,
    [
      keys.map((key) => map.names[key]).join(', ') || 'cell',
      ...columns.map((value) => (value === null ? title : named(across, value))),
    ],
    rows.map((row) => [
      el(
        'span',
        { class: 'lines' },
        keys.length
          ? JSON.parse(row).map((value, i) => el('b', {}, named(keys[i], value)))
          : el('b', {}, 'all points')
      ),
      ...columns.map((value) => box(map, places.get(row).get(value), metric, styles)),
    ])
  );
}

function box(map, cell, metric, styles) {
  if (!cell) return el('div', { class: 'won nobody' }, 'not in the sweep');
  const { winner, runner_up, lead, clear, mark } = cell.verdicts[metric];
  const label = (contestant) => map.contestants[contestant].label;
  const sign = signs[clear];
  return el(
    'div',
    {
      class: `won${winner === null ? ' nobody' : ''}${clear === true ? ' clear' : ''}`,
      style: winner === null ? null : styles[winner],
    },
    el('strong', {}, winner === null ? 'nobody' : label(winner)),
    lead ? el('span', {}, `${lead} than ${label(runner_up)}`) : null,
    el('span', { class: 'mark' }, sign ? `${sign} ${mark}` : mark),
    troubles(map, cell).map((text) => el('span', { class: 'bad' }, text))
  );
}

const troubles = (map, cell) =>
  cell.entrants.flatMap(({ trouble }, i) =>
    trouble ? [`${map.contestants[i].label}: ${trouble}`] : []
  );

function figures(map, metric) {
  const { unit } = map.metrics[metric];
  const label = (i) => (i === null ? '–' : map.contestants[i].label);
  const interval = ({ difference, low, high }) => {
    if (!known(difference)) return '–';
    const { texts, unit: name } = quantities([difference, low, high], unit);
    const end = name ? ` ${name}` : '';
    return known(low) ? `${texts[0]} [${texts[1]} .. ${texts[2]}]${end}` : `${texts[0]}${end}`;
  };
  return table(
    `Figures of the cells: ${map.metrics[metric].title}`,
    [
      ...(map.keys.length ? map.keys : ['cell']),
      'winner',
      'runner-up',
      'difference [95 % interval]',
      'pairs',
      ...map.contestants.map((each) => `mean of ${each.label}`),
    ],
    map.cells.map((cell) => {
      const verdict = cell.verdicts[metric];
      return [
        ...(map.keys.length ? cell.settings : ['all points']),
        label(verdict.winner),
        label(verdict.runner_up),
        interval(verdict),
        verdict.pairs ? count(verdict.pairs) : '–',
        ...cell.entrants.map(
          ({ points }, i) =>
            `${quantity(verdict.means[i], unit)} (${count(verdict.counts[i])} of ${count(points)})`
        ),
      ];
    }),
    { texts: Math.max(1, map.keys.length) + 2 }
  );
}
