// Two to four runs next to each other: why nodes were idle, what the rounds consist of, what makes the
// difference, and the timelines of two of them on one time axis.
import { Figure } from '../chart.js';
import { el, refill, select } from '../dom.js';
import { explain } from '../explain.js';
import { axisName, cause, count, known, largest, quantity, scale } from '../format.js';
import { rowsHeight } from '../nodes.js';
import { itemTip, legendAndGrid, nameAxis, rowScroll, valueAxis, visibleRows } from '../options.js';
import { thingStyle } from '../theme.js';
import { pathParts } from './rounds.js';
import { idleCauses } from './time.js';
import { namesWidth, SharedWindow, timeline } from './timeline.js';

const most = 4; // runs at once

export function sideBySide(page) {
  const state = { shown: page.runs.slice(0, most) };
  const figures = [];
  const sentences = el('div', { class: 'explained' });
  const said = () =>
    state.shown
      .slice(1)
      .map((run) => el('p', {}, explain(state.shown[0], run).join(' ')));
  const changed = () => {
    refill(sentences, ...said());
    figures.forEach((figure) => figure.refresh());
  };
  refill(sentences, ...said());
  const two = timelines(page);
  figures.push(idleByClass(page, state), paths(page, state));
  return [
    page.runs.length > most ? chooser(page, state, changed) : null,
    sentences,
    ...figures,
    ...two,
  ].filter(Boolean);
}

// Boxes for all runs; at least two and at most four are chosen.
function chooser(page, state, changed) {
  const boxes = page.runs.map((run) => {
    const box = el('input', { type: 'checkbox', checked: state.shown.includes(run) });
    box.addEventListener('change', () => {
      state.shown = page.runs.filter((each) =>
        each === run ? box.checked : state.shown.includes(each)
      );
      limit();
      changed();
    });
    return box;
  });
  const limit = () =>
    boxes.forEach((box) => {
      box.disabled = box.checked ? state.shown.length <= 2 : state.shown.length >= most;
    });
  limit();
  return el(
    'fieldset',
    { class: 'choices', id: 'side-runs' },
    el('legend', { class: 'note' }, `Two to ${most} of ${count(page.runs.length)} runs`),
    page.runs.map((run, i) =>
      el('label', { class: 'control' }, boxes[i], el('span', {}, run.label))
    )
  );
}

// Workers of a run by their class: {name -> [indices of nodes]}.
function classesOf(run) {
  const found = new Map();
  run.nodes.id.forEach((id, i) => {
    if (id === 0) return;
    const name = run.nodes.class?.[i] || run.nodes.device[i];
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(i);
  });
  return found;
}

function idleByClass(page, state) {
  const causes = () => idleCauses(state.shown);
  // A row for each class and run that has it, with the mean seconds of a node by cause.
  const rows = () => {
    const classes = state.shown.map(classesOf);
    const names = [...new Set(classes.flatMap((each) => [...each.keys()]))];
    return names.flatMap((name) =>
      state.shown.flatMap((run, r) => {
        const nodes = classes[r].get(name);
        if (!nodes || !run.idle.node.length) return [];
        const ids = new Set(nodes.map((i) => run.nodes.id[i]));
        const mean = Object.fromEntries(causes().map((why) => [why, 0]));
        run.idle.node.forEach((node, i) => {
          if (ids.has(node)) mean[run.idle.cause[i]] += run.idle.s[i] / nodes.length;
        });
        return [{ class: name, run: run.label, nodes: nodes.length, ...mean }];
      })
    );
  };
  return bars(page, {
    id: 'side-idle',
    title: 'Why nodes did not compute, by their class',
    note: () =>
      'Mean idle time of a node of each class, by its cause; one bar for each run, on one scale.' +
      without(state.shown, (run) => run.idle.node.length, 'idle times'),
    missing: () => (rows().length ? '' : 'Idle times are known when a run is over.'),
    axis: 'idle time of a node (mean)',
    parts: () => causes().map((why) => ({ key: why, name: cause(why) })),
    rows,
    heading: (row) => row.class,
    columns: { class: ['class'], run: ['run'], nodes: ['nodes'] },
  });
}

function paths(page, state) {
  const rows = () =>
    state.shown
      .filter((run) => run.rounds.version.length)
      .map((run) => ({
        run: run.label,
        rounds: run.rounds.version.length,
        ...Object.fromEntries(
          pathParts.map((part) => [
            `${part}_s`,
            run.rounds[`${part}_s`].reduce((sum, value) => sum + value, 0),
          ])
        ),
        lost_s: run.figures.lost_s ?? null,
      }));
  return bars(page, {
    id: 'side-path',
    title: 'Critical path of all rounds together',
    note: () =>
      'The parts of the critical paths, summed over all rounds.' +
      (rows().some((row) => row.lost_s)
        ? ' Lost: computing and transfers of all nodes in tasks that failed or were given up, on a bar ' +
          'of its own.'
        : '') +
      without(state.shown, (run) => run.rounds.version.length, 'critical paths'),
    missing: () => (rows().length ? '' : 'The critical paths of these runs are not known.'),
    axis: 'virtual time',
    parts: () => pathParts.map((part) => ({ key: `${part}_s`, name: part })),
    extra: { key: 'lost_s', name: 'lost' },
    rows,
    columns: { run: ['run'], rounds: ['rounds'] },
  });
}

const without = (runs, has, what) => {
  const lacking = runs.filter((run) => !has(run)).map((run) => run.label);
  return lacking.length ? ` No ${what} are known of ${lacking.join(', ')}.` : '';
};

// Stacked bars to the right: `rows()` with seconds by the key of a part. Rows with the same
// `heading(row)` stand below it; `extra`, where it is not 0, has a bar of its own below its row's.
function bars(page, { id, title, note, missing, axis, parts, extra, rows, heading, columns }) {
  const lines = () => {
    const found = [];
    let last = null;
    for (const row of rows()) {
      const name = heading?.(row);
      if (name !== undefined && name !== last)
        found.push({ name: `${name} (${count(row.nodes)})`, heading: true });
      last = name;
      found.push({ name: row.run, row });
      if (extra && row[extra.key] > 0) found.push({ name: extra.name, row, extra: true });
    }
    return found;
  };
  return new Figure(page, {
    id,
    title,
    note,
    missing,
    height: (size) => rowsHeight(lines().length, size, 110),
    option(look, size) {
      const drawn = lines();
      const used = parts().filter((part) => drawn.some(({ row }) => row?.[part.key] > 0));
      const shown = [
        ...used,
        ...(drawn.some((line) => line.extra) ? [{ ...extra, extra: true }] : []),
      ];
      const unit = scale(
        's',
        largest([
          drawn.map((line) =>
            !line.row || line.extra
              ? (line.row?.[extra?.key] ?? 0)
              : used.reduce((sum, part) => sum + line.row[part.key], 0)
          ),
        ])
      );
      const many = drawn.length > visibleRows(size) && !size.saved;
      const { legend, grid } = legendAndGrid(
        look,
        size,
        shown.map((part) => part.name),
        { right: many ? 34 : 22 }
      );
      const value = (line, part) =>
        line.row && Boolean(line.extra) === Boolean(part.extra) ? line.row[part.key] : null;
      return {
        legend,
        grid,
        tooltip: itemTip(look, ({ dataIndex }) => content(drawn[dataIndex], shown, look)),
        xAxis: valueAxis(look, axisName(axis, unit.name), { min: 0 }),
        yAxis: nameAxis(
          look,
          size,
          drawn.map(({ name }) => name),
          { axisLabel: { color: (_, i) => (drawn[i]?.row ? look.soft : look.text) } }
        ),
        dataZoom: rowScroll(look, size, drawn.length),
        series: shown.map((part) => ({
          type: 'bar',
          name: part.name,
          stack: 'all',
          barMaxWidth: 16,
          barCategoryGap: '24%',
          itemStyle: { borderColor: look.paper, borderWidth: 0.5, ...styleOf(look, part.key) },
          data: drawn.map((line) => unit.of(value(line, part))),
        })),
      };
    },
    values: rows,
    get columns() {
      return {
        ...columns,
        ...Object.fromEntries(
          [...parts(), ...(extra ? [extra] : [])].map((part) => [part.key, [part.name, 's']])
        ),
      };
    },
  });
}

const styleOf = (look, key) => thingStyle(look, key.replace(/_s$/, ''));

function content(line, parts, look) {
  if (!line?.row) return null;
  return [
    line.row.class ? `${line.row.run}: ${line.row.class}` : line.row.run,
    [
      ...parts.map((part) =>
        line.row[part.key] > 0
          ? [part.name, quantity(line.row[part.key], 's'), styleOf(look, part.key).color]
          : null
      ),
      known(line.row.nodes) ? ['nodes', count(line.row.nodes)] : null,
      known(line.row.rounds) ? ['rounds', count(line.row.rounds)] : null,
    ],
  ];
}

const knownEnds = new WeakMap();
function endOf(run) {
  if (!knownEnds.has(run)) {
    const { end_s: all } = run.timeline.activities;
    knownEnds.set(
      run,
      all.reduce((end, s) => Math.max(end, s), run.virtual_time_s || 0)
    );
  }
  return knownEnds.get(run);
}

// The timelines of two runs below each other, on one time axis.
function timelines(page) {
  const chosen = [page.runs[0], page.runs[1]];
  const shared = new SharedWindow();
  const ends = () => Math.max(...chosen.map(endOf));
  const choose = (place) => (value) => {
    chosen[place] = page.runs[Number(value)];
    shared.set(null, null);
  };
  return [0, 1].map((place) =>
    timeline(page, {
      id: `side-timeline-${place + 1}`,
      title: place ? '… and of another, on the same time axis' : 'Activities of one run',
      prefix: () => `${chosen[place].label}: `,
      run: () => chosen[place],
      shared,
      commonEnd: ends,
      left: (size) => namesWidth(chosen, size),
      controls:
        page.runs.length > 2
          ? [select('Run', page.names(), place, choose(place))]
          : [],
    })
  );
}
