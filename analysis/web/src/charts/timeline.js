// What every node did when. ECharts has the axes and the zoom; the rectangles come from
// TimelineIndex, one path a label, so that a hundred thousand activities stay smooth.
import { Figure } from '../chart.js';
import { button, el, fittedName, textWidth, tip } from '../dom.js';
import { cause, count, moment, number, scale, seconds } from '../format.js';
import { nodeNames, realNote, rowsHeight } from '../nodes.js';
import { criticalPath, described, drawnAs, waitNames, waitStyles } from '../pipeline.js';
import { activityStyle, area } from '../theme.js';
import { TimelineIndex } from '../timeline_index.js';
import { numbers, outline } from './timeline_pipeline.js';
import {
  axisLook,
  legendAndGrid,
  nameAxis,
  rowScroll,
  slider,
  valueAxis,
  visibleRows,
} from '../options.js';

const lanes = ['compute', 'send', 'receive'];
const waiting = 'waiting';
const away = 'away';
const lost = 'given up';
const versions = 'new version';

// A window of time that several charts show: one that zooms takes the others along.
export class SharedWindow {
  constructor() {
    this.zoomed = null; // [from, to] in seconds, or null: all
    this.figures = [];
  }

  set(zoomed, by) {
    this.zoomed = zoomed;
    for (const figure of this.figures) if (figure !== by) figure.refresh();
  }
}

// `run()`: whose; `end()`: of the time axis; `left(size)`: room for names, so that charts below each
// other have one time axis.
export function timeline(
  page,
  {
    id = 'timeline',
    title = 'Activities of every node',
    prefix = () => '',
    run = () => page.run,
    shared = new SharedWindow(),
    commonEnd = () => 0,
    left = (size) => namesWidth([run()], size),
    controls = [],
  } = {}
) {
  let index = null;
  let figure = null;

  const indexOf = (one) => {
    if (index?.run !== one) {
      const first = index === null;
      index = new TimelineIndex(one);
      // A live run that ends or is met again stays where the reader looks.
      if (!page.data.live && !first) shared.set(null, figure);
    }
    return index;
  };
  const end = () => Math.max(run().virtual_time_s || 0, indexOf(run()).end, commonEnd(), 1e-9);
  const view = () => shared.zoomed ?? [0, end()];

  const zoomTo = (from, to) => {
    const most = end();
    const span = Math.min(Math.max(to - from, most * 1e-7), most);
    const start = Math.min(Math.max(from, 0), most - span);
    const unit = scale('s', most);
    figure.echarts.dispatchAction({
      type: 'dataZoom',
      dataZoomIndex: 0,
      startValue: unit.of(start),
      endValue: unit.of(start + span),
    });
  };
  const zoomBy = (factor) => {
    const [from, to] = view();
    const middle = (from + to) / 2;
    zoomTo(middle + (from - middle) * factor, middle + (to - middle) * factor);
  };
  const pan = (share) => {
    const [from, to] = view();
    zoomTo(from + (to - from) * share, to + (to - from) * share);
  };
  const scroll = (rows) => {
    const vertical = figure.echarts.getOption().dataZoom.find(({ id }) => id === 'rows');
    if (!vertical) return;
    const last = run().nodes.id.length - 1;
    const span = vertical.endValue - vertical.startValue;
    const first = Math.min(Math.max(vertical.startValue + rows, 0), last - span);
    figure.echarts.dispatchAction({
      type: 'dataZoom',
      dataZoomId: 'rows',
      start: (first / last) * 100,
      end: ((first + span) / last) * 100,
    });
  };
  const keys = {
    ArrowLeft: () => pan(-0.2),
    ArrowRight: () => pan(0.2),
    ArrowUp: () => scroll(-3),
    ArrowDown: () => scroll(3),
    '+': () => zoomBy(0.5),
    '=': () => zoomBy(0.5),
    '-': () => zoomBy(2),
    0: () => zoomTo(0, end()),
    Home: () => zoomTo(0, end()),
  };

  figure = new Figure(page, {
    id,
    title,
    controls: [
      ...controls,
      el(
        'div',
        { class: 'group', role: 'group', 'aria-label': `Zoom of ${title}` },
        button('−', () => zoomBy(2), { 'aria-label': 'Zoom out', title: 'Zoom out (−)' }),
        button('+', () => zoomBy(0.5), { 'aria-label': 'Zoom in', title: 'Zoom in (+)' }),
        button('←', () => pan(-0.2), { 'aria-label': 'Earlier', title: 'Earlier (←)' }),
        button('→', () => pan(0.2), { 'aria-label': 'Later', title: 'Later (→)' }),
        button('All', () => zoomTo(0, end()), { 'aria-label': 'Show all', title: 'Show all (0)' })
      ),
    ],
    note: () => {
      const { activities, merged_below_s: merged } = run().timeline;
      return (
        `${prefix()}${count(activities.node.length)} activities of ${count(run().nodes.id.length)} ` +
        'nodes. Wheel, pinch or + and − zoom; drag or arrow keys move.' +
        realNote(run()) +
        (merged > 0 ? ` What is shorter than ${seconds(merged)} is drawn together.` : '') +
        (indexOf(run()).rows.some((row) => row.split)
          ? run().pipeline
            ? ' A row has three lanes: compute, with the numbers of the micro-batches; send; receive.'
            : ' Where lanes overlap a row has three: compute, send, receive.'
          : '') +
        pathNote(run())
      );
    },
    missing: () =>
      run() && (run().timeline.activities.node.length || page.data.live)
        ? ''
        : 'The store of this run holds no activities (output.record = "task" keeps sums alone).',
    height: (size) =>
      rowsHeight(run()?.nodes.id.length ?? 1, size, size.saved ? 110 : 150, bandOf(run())) +
      (run()?.pipeline && size.narrow ? 150 : 0), // for the legend
    count: () => run().timeline.activities.node.length,
    option: (look, size) => option(indexOf(run()), view(), end(), look, size, left(size)),
    values() {
      const { activities, labels, causes } = run().timeline;
      const [from, to] = view();
      const rows = [];
      const names = new Map(run().nodes.id.map((id, i) => [id, run().nodes.name[i]]));
      for (let i = 0; i < activities.node.length; i += 1) {
        if (activities.end_s[i] < from || activities.begin_s[i] > to) continue;
        rows.push({
          node: activities.node[i],
          name: names.get(activities.node[i]),
          lane: lanes[activities.lane[i]],
          label: labels[activities.label[i]],
          begin_s: activities.begin_s[i],
          end_s: activities.end_s[i],
          task: activities.task[i],
          real: activities.real[i] === 1,
          cause: causes[activities.cause[i]],
          ...ofPipeline(run(), activities.label[i]),
        });
      }
      return rows;
    },
    columns: {
      name: ['node'],
      lane: ['lane'],
      label: ['label'],
      begin_s: ['begin', 's'],
      end_s: ['end', 's'],
      task: ['task'],
      real: ['real'],
      cause: ['cause'],
    },
    ready(instance, self) {
      instance.on('datazoom', () => {
        const all = end();
        const [x] = instance.getOption().dataZoom;
        const whole = x.start <= 0.0001 && x.end >= 99.9999;
        shared.set(whole ? null : [(x.start / 100) * all, (x.end / 100) * all], self);
      });
      pointAt(self, run, end, indexOf);
      const { picture } = self;
      picture.tabIndex = 0;
      picture.addEventListener('keydown', (event) => {
        const act = keys[event.key];
        if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        act();
      });
    },
  });
  shared.figures.push(figure);
  figure.window = view;
  figure.end = end;
  figure.right = (size) => rightEdge(size, run().nodes.id.length);
  figure.grow = () => {
    if (index?.run === run()) index.grow();
  };
  return figure;
}

const ofPipeline = ({ pipeline }, i) =>
  pipeline
    ? {
        kind: pipeline.labels.kind[i],
        stage: pipeline.labels.stage[i],
        microbatch: pipeline.labels.microbatch[i],
      }
    : {};

function pathNote({ pipeline }) {
  if (!pipeline) return '';
  const shortest = Math.max(pipeline.bubbles_from_s, pipeline.path_from_s);
  return (
    ' Outlined: the critical path of each round.' +
    (shortest > 0 ? ` Waits and pieces of the path below ${seconds(shortest)} are left out.` : '')
  );
}

// A pipeline has higher rows: there are numbers in its bars.
const bandOf = (run) => (run?.pipeline ? 44 : undefined);

// Pixels for the names of nodes of these runs.
export function namesWidth(runs, size) {
  const most = size.narrow ? 112 : 190;
  const widths = runs
    .filter(Boolean)
    .flatMap((run) => nodeNames(run, size))
    .map((name) => textWidth(fittedName(name, most, 11), 11));
  return Math.ceil(Math.max(20, ...widths)) + 16;
}

const rightEdge = (size, rows) => (rows > visibleRows(size) && !size.saved ? 36 : 22);

function option(index, [from, to], end, look, size, left) {
  const { run } = index;
  const { labels, kinds } = run.timeline;
  const unit = scale('s', end);
  const rows = run.nodes.id.length;
  const things = drawnAs(run, (look_, i) => activityStyle(look_, labels[i], kinds[i]));
  const drawn = new Set(run.timeline.activities.label.map(things.of));
  const present = things.names.filter((_, i) => drawn.has(i));
  const styles = things.styles(look);
  const { pipeline } = run;
  const bubbleCauses = pipeline
    ? pipeline.causes.map((why, i) => [why, i]).filter(([, i]) => pipeline.bubbles.cause.includes(i))
    : [];
  const bubbleStyles = pipeline ? waitStyles(look) : {};
  const has = (table) => table.node.length > 0;
  const someLost = run.timeline.activities.cause.some((value) => value > 0);
  const names = [
    ...present,
    ...(pipeline ? [criticalPath] : []),
    ...bubbleCauses.map(([why]) => waitNames[why]),
    ...(has(run.timeline.waits) ? [waiting] : []),
    ...(has(run.timeline.away) ? [away] : []),
    ...(someLost ? [lost] : []),
    ...(run.aggregations.end_s.length ? [versions] : []),
  ];
  const { legend, grid } = legendAndGrid(look, size, names, {
    right: rightEdge(size, rows),
    bottom: (size.saved ? 6 : 40) + 44,
    lines: pipeline ? 12 : 4,
    legend: { icon: 'rect' },
  });
  const sceneOf = scenes(index, unit, things);
  const series = (name, itemStyle, rects, extra = {}) => ({
    type: 'custom',
    name,
    itemStyle,
    clip: true,
    silent: true,
    data: [[0, 0]],
    tooltip: { show: false },
    renderItem(params, api) {
      const { wide, thin } = rects(sceneOf(params, api));
      const style = { fill: itemStyle.color, ...extra };
      return {
        type: 'group',
        children: [
          { type: 'rects', shape: { rects: thin }, style },
          { type: 'rects', shape: { rects: wide }, style: { ...style, decal: itemStyle.decal } },
        ],
      };
    },
  });
  return {
    legend,
    grid: { ...grid, left, outerBoundsMode: 'none' },
    xAxis: valueAxis(look, `virtual time (${unit.name})`, {
      min: 0,
      max: unit.of(end),
      axisLabel: {
        ...axisLook(look).axisLabel,
        showMaxLabel: false,
        // The ends of a window are no round figures.
        formatter: (value, i) => (i === 0 && value !== 0 ? '' : number(value, 9)),
      },
    }),
    yAxis: nameAxis(look, size, nodeNames(run, size), {
      splitLine: { show: true, lineStyle: { color: look.grid } },
    }),
    dataZoom: [
      {
        id: 'time',
        keeps: true,
        type: 'inside',
        xAxisIndex: 0,
        filterMode: 'none',
        throttle: 16,
        preventDefaultMouseMove: false,
        startValue: unit.of(from),
        endValue: unit.of(to),
      },
      ...(size.saved
        ? []
        : [
            slider(look, {
              id: 'time-slider',
              keeps: true,
              xAxisIndex: 0,
              filterMode: 'none',
              height: 16,
              bottom: 8,
              left: size.narrow ? 20 : 60,
              right: 40,
              throttle: 16,
              startValue: unit.of(from),
              endValue: unit.of(to),
            }),
          ]),
      ...rowScroll(look, size, rows, { filterMode: 'none', moveOnMouseMove: true }),
    ],
    series: [
      series(waiting, area(look, look.waiting, 'none'), (scene) => scene.waiting),
      ...bubbleCauses.map(([why, i]) =>
        series(waitNames[why], bubbleStyles[why], (scene) => scene.bubbles[i])
      ),
      ...things.names.map((name, i) => series(name, styles[i], (scene) => scene.labels[i])),
      ...(pipeline ? [outline(look, sceneOf), numbers(styles, sceneOf)] : []),
      series(away, area(look, look.away, 'dense', look.hatch), (scene) => scene.away),
      series(
        lost,
        { color: `${look.lost}33`, borderColor: look.lost, ...crossed(look) },
        (scene) => scene.lost,
        { stroke: look.lost, lineWidth: 1.2 }
      ),
      series(versions, { color: `${look.text}66` }, (scene) => scene.versions),
    ],
  };
}

const crossed = (look) => ({ decal: area(look, '', 'falling', look.lost).decal });

// Pixels of a row's bar, at most.
const barOf = (run) => (run.pipeline ? 34 : 18);

// The scene of a frame: all series of it ask for the same one.
function scenes(index, unit, things) {
  let last = '';
  let scene = null;
  return (params, api) => {
    const { x, y, width, height } = params.coordSys;
    const [zero, top] = api.coord([0, 0]);
    const [perUnit, band] = api.size([1, 1]);
    const key = [x, y, width, height, zero, perUnit, top, band, index.version].join();
    if (key === last) return scene;
    last = key;
    const perSecond = perUnit * unit.of(1);
    const bar = Math.max(2, Math.min(barOf(index.run), band * 0.74));
    const rowAt = (pixel) => (pixel - top) / band;
    const view = {
      from: (x - zero) / perSecond,
      to: (x + width - zero) / perSecond,
      left: x - 2,
      right: x + width + 2,
      x: (time) => zero + time * perSecond,
      rows: [
        Math.max(0, Math.floor(rowAt(y))),
        Math.min(index.rows.length - 1, Math.ceil(rowAt(y + height))),
      ],
      y: (row) => top + row * band - bar / 2,
      height: bar,
    };
    scene = index.scene(view, things);
    const ends = index.run.aggregations.end_s.filter(
      (time) => time >= view.from && time <= view.to
    );
    const dense = ends.length * 7 > width;
    scene.versions = {
      wide: [],
      thin: dense ? [] : ends.flatMap((time) => [view.x(time) - 0.5, y, 1, height]),
    };
    return scene;
  };
}

// A tooltip of our own: the rectangles are merged, the data are not.
function pointAt(figure, run, end, indexOf) {
  const box = el('div', { class: 'tooltip', hidden: true });
  figure.picture.append(box);
  const hide = () => {
    box.hidden = true;
  };
  const zr = figure.instance.getZr();
  zr.on('mousemove', (event) => {
    const { offsetX, offsetY } = event;
    if (!run() || !figure.instance.containPixel('grid', [offsetX, offsetY])) return hide();
    const unit = scale('s', end());
    const toTime = (pixel) =>
      figure.instance.convertFromPixel({ xAxisIndex: 0 }, pixel) / unit.of(1);
    const row = figure.instance.convertFromPixel({ yAxisIndex: 0 }, offsetY);
    const middle = figure.instance.convertToPixel({ yAxisIndex: 0 }, row);
    const band =
      Math.abs(figure.instance.convertToPixel({ yAxisIndex: 0 }, row + 1) - middle) || 22;
    const bar = Math.min(barOf(run()), band * 0.74);
    const share = Math.max(0, Math.min(0.999, (offsetY - middle + bar / 2) / bar));
    const time = toTime(offsetX);
    const found = indexOf(run()).at(row, time, share, toTime(offsetX + 1.5) - time);
    if (!found) return hide();
    box.replaceChildren(content(run(), row, found));
    box.hidden = false;
    const width = figure.picture.clientWidth;
    const left =
      offsetX + 14 + box.offsetWidth > width ? offsetX - 14 - box.offsetWidth : offsetX + 14;
    box.style.left = `${Math.max(0, left)}px`;
    box.style.top = `${Math.max(0, offsetY + 14)}px`;
  });
  zr.on('globalout', hide);
}

function content(run, row, { kind, i }) {
  const { timeline } = run;
  const table = kind === 'bubbles' ? run.pipeline.bubbles : timeline[kind];
  const lines = [
    ['begin', moment(table.begin_s[i])],
    ['end', moment(table.end_s[i])],
    ['lasted', seconds(table.end_s[i] - table.begin_s[i])],
  ];
  const name = run.nodes.name[row];
  if (kind === 'away') return tip(`${name}: away`, lines);
  if (kind === 'bubbles') return tip(`${name}: ${waitNames[run.pipeline.causes[table.cause[i]]]}`, lines);
  if (kind === 'waits') {
    const why = timeline.causes[table.cause[i]];
    return tip(`${name}: waiting`, [...lines, why && ['because of', cause(why)]]);
  }
  const why = timeline.causes[table.cause[i]];
  const what = run.pipeline ? described(run.pipeline, table.label[i]) : '';
  return tip(`${name}: ${timeline.labels[table.label[i]]}`, [
    what && ['', what],
    ...lines,
    table.task[i] < 0
      ? ['for version', String(-table.task[i] - 1)]
      : ['task', String(table.task[i])],
    ['lane', lanes[table.lane[i]]],
    ['', table.real[i] ? 'measured on a device' : 'simulated'],
    why && ['given up', cause(why)],
  ]);
}
