// Pipelines: where the devices' time went in the rounds, and through which steps the critical paths
// went.
import { Figure } from '../chart.js';
import { el } from '../dom.js';
import { axisName, count, largest, percent, quantity, scale, seconds } from '../format.js';
import { nodeName, nodeNames, rowsHeight } from '../nodes.js';
import { itemTip, legendAndGrid, nameAxis, rowScroll, valueAxis } from '../options.js';
import { pipelineStyles, stepsOf, waitNames, waitStyles } from '../pipeline.js';
import { thingStyles } from '../theme.js';

export const hasPipelines = ({ runs }) => runs.some((run) => run.pipeline);

const none = (page) => (page.run?.pipeline ? '' : 'This run has no pipeline.');

// The device's name with its stage.
function deviceNames(run, size) {
  const { devices } = run.pipeline;
  const names = new Map(run.nodes.id.map((id, i) => [id, nodeNames(run, size)[i]]));
  return devices.node.map((node, i) => {
    const stage = devices.stage[i] < 0 ? '' : `, stage ${devices.stage[i]}`;
    return `${names.get(node) ?? `node ${node}`}${stage}`;
  });
}

// On a phone names and the legend take several lines.
const tall = (rows, size) =>
  size.narrow ? rowsHeight(rows, size, 190, 32) : rowsHeight(rows, size, 110);

const barSeries = (look, name, itemStyle, data) => ({
  type: 'bar',
  name,
  stack: 'all',
  barMaxWidth: 16,
  barCategoryGap: '24%',
  itemStyle: { borderColor: look.paper, borderWidth: 0.5, ...itemStyle },
  data,
});

export function bubbles(page) {
  const parts = (run) => [
    ['computing', 'computes'],
    ...run.pipeline.causes
      .filter((why) => run.pipeline.devices[`${why}_s`].some((s) => s > 0))
      .map((why) => [why, waitNames[why]]),
  ];
  return new Figure(page, {
    id: 'bubbles',
    title: 'Bubbles: where the time of the rounds went',
    missing: () => none(page),
    note() {
      const { rounds, devices } = page.run.pipeline;
      const sum = (column) => column.reduce((all, s) => all + s, 0);
      const all = sum(devices.rounds_s);
      const idle = all > 0 ? 1 - sum(devices.computing_s) / all : 0;
      return (
        `Of each device that computes, in ${count(rounds.task.length)} ` +
        `${rounds.task.length === 1 ? 'round' : 'rounds'}: its computing and, by cause, its ` +
        `idle time; together they are the rounds. Idle in all: ${percent(idle)}.`
      );
    },
    height: (size) => tall(page.run?.pipeline?.devices.node.length ?? 1, size),
    option(look, size) {
      const { run } = page;
      const { devices } = run.pipeline;
      const units = scale('s', largest([devices.rounds_s]));
      const names = deviceNames(run, size);
      const styles = { ...waitStyles(look), computing: thingStyles(look).computing };
      const drawn = parts(run);
      const { legend, grid } = legendAndGrid(look, size, drawn.map(([, name]) => name), { right: 22 });
      return {
        legend,
        grid,
        tooltip: itemTip(look, ({ dataIndex: i }) => [
          names[i],
          [
            ['rounds', count(devices.rounds[i])],
            ['their time', seconds(devices.rounds_s[i])],
            ...drawn.map(([key, name]) => [
              name,
              `${seconds(devices[`${key}_s`][i])} (${percent(devices[`${key}_s`][i] / devices.rounds_s[i])})`,
              styles[key].color,
            ]),
          ],
        ]),
        xAxis: valueAxis(look, axisName('time of the rounds', units.name), { min: 0 }),
        yAxis: nameAxis(look, size, names),
        dataZoom: rowScroll(look, size, names.length),
        series: drawn.map(([key, name]) =>
          barSeries(look, name, styles[key], devices[`${key}_s`].map(units.of))
        ),
      };
    },
    values() {
      const { run } = page;
      const { devices, causes } = run.pipeline;
      return devices.node.map((node, i) => ({
        node,
        name: nodeName(run, node),
        stage: devices.stage[i],
        rounds: devices.rounds[i],
        rounds_s: devices.rounds_s[i],
        computing: devices.computing_s[i],
        ...Object.fromEntries(causes.map((why) => [why, devices[`${why}_s`][i]])),
      }));
    },
    get columns() {
      return {
        name: ['device'],
        stage: ['stage'],
        rounds: ['rounds'],
        rounds_s: ['their time', 's'],
        computing: ['computes', 's'],
        ...Object.fromEntries(
          (page.run?.pipeline?.causes ?? []).map((why) => [why, [waitNames[why], 's']])
        ),
      };
    },
  });
}

// What stands on a critical path, in the order of the legend: [key, name, kinds].
const onPath = [
  ['forward', 'forward', ['forward']],
  ['backward', 'backward', ['backward']],
  ['all_reduce', 'all-reduce', ['take', 'all_reduce', 'add']],
  ['step', 'step', ['step']],
  ['collect', 'weights collected and joined', ['give', 'collect', 'join']],
  ['wait', 'ready, but waits', ['wait']],
  ['other', 'other', ['other']],
];

function pathStyles(look) {
  const styles = pipelineStyles(look);
  const things = thingStyles(look);
  return { ...styles, wait: things.queue, other: things.other };
}

export function pathSteps(page) {
  const table = (run) => {
    const { path_sums: sums } = run.pipeline;
    return stepsOf(sums).map(({ name, rows }) => ({
      where: name,
      ...Object.fromEntries(
        onPath.map(([key, , kinds]) => [
          key,
          rows.filter((i) => kinds.includes(sums.kind[i])).reduce((all, i) => all + sums.s[i], 0),
        ])
      ),
    }));
  };
  const parts = (rows) => onPath.filter(([key]) => rows.some((row) => row[key] > 0));
  return new Figure(page, {
    id: 'pipeline-path',
    title: 'Critical paths through the stages',
    missing: () => none(page),
    note() {
      const rows = table(page.run);
      const sum = (row) => onPath.reduce((all, [key]) => all + row[key], 0);
      const all = rows.reduce((whole, row) => whole + sum(row), 0);
      const longest = rows.reduce((best, row) => (sum(row) > sum(best) ? row : best), rows[0]);
      const share = all > 0 ? sum(longest) / all : 0;
      return (
        'The chain of activities that made each round as long as it was, all rounds together, by ' +
        'stage and by pair of stages between which something is sent. What is ready waits for a lane, ' +
        'or for memory. Longest: ' +
        `${longest.where} (${percent(share)}).`
      );
    },
    height: (size) => tall(page.run?.pipeline ? table(page.run).length : 1, size),
    option(look, size) {
      const rows = table(page.run);
      const drawn = parts(rows);
      const styles = pathStyles(look);
      const sums = rows.map((row) => onPath.reduce((all, [key]) => all + row[key], 0));
      const units = scale('s', largest([sums]));
      const { legend, grid } = legendAndGrid(look, size, drawn.map(([, name]) => name), { right: 22 });
      return {
        legend,
        grid,
        tooltip: itemTip(look, ({ dataIndex: i }) => [
          rows[i].where,
          drawn
            .filter(([key]) => rows[i][key] > 0)
            .map(([key, name]) => [name, quantity(rows[i][key], 's'), styles[key].color]),
        ]),
        xAxis: valueAxis(look, axisName('on the critical paths', units.name), { min: 0 }),
        yAxis: nameAxis(look, size, rows.map((row) => row.where)),
        dataZoom: rowScroll(look, size, rows.length),
        series: drawn.map(([key, name]) =>
          barSeries(look, name, styles[key], rows.map((row) => units.of(row[key])))
        ),
      };
    },
    values: () => table(page.run),
    columns: {
      where: ['where'],
      ...Object.fromEntries(onPath.map(([key, name]) => [key, [name, 's']])),
    },
  });
}

// What the words of the charts mean, as analysis/pipeline.hpp defines them.
export function pipelineWords(run) {
  if (!run.pipeline) return [];
  const line = (name, text) => [el('dt', {}, name), el('dd', {}, text)];
  return [
    el('h3', {}, 'What a device waits for'),
    el(
      'p',
      { class: 'note' },
      'A round is one pass of the task: from when its first activity is ready to the end of its ' +
        'last. A device is idle in it while it computes nothing of it. The cause follows from what ' +
        'it computes next:'
    ),
    el(
      'dl',
      { class: 'words' },
      line(
        waitNames.activation,
        'a forward, and a stage before has not made its activations yet: while the pipeline fills, ' +
          'or where the stage before is slower.'
      ),
      line(
        waitNames.gradient,
        'a backward, and the stage behind has not made its gradients yet: while the pipeline drains.'
      ),
      line(waitNames.link, 'what it needs is made, and is on its way or waits to be sent.'),
      line(
        waitNames.all_reduce,
        'the sum of its group’s gradients, of which some are missing, or the step behind it; or nothing ' +
          'more, and what a parameter server has stepped is not there.'
      ),
      line(waitNames.done, 'nothing: it has done its part, and others have not.'),
      line(waitNames.other, 'all is there: another task, memory, or the device is away.')
    ),
  ];
}
