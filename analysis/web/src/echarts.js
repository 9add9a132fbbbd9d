// ECharts with only what the report draws.
import * as charts from 'echarts/charts';
import * as components from 'echarts/components';
import * as echarts from 'echarts/core';
import * as renderers from 'echarts/renderers';

// By name, so that the bundle holds no others.
echarts.use([
  charts.BarChart,
  charts.CustomChart,
  charts.HeatmapChart,
  charts.LineChart,
  charts.ScatterChart,
  components.DataZoomComponent,
  components.GridComponent,
  components.LegendPlainComponent,
  components.LegendScrollComponent,
  components.MarkLineComponent,
  components.TooltipComponent,
  components.VisualMapComponent,
  renderers.CanvasRenderer,
  renderers.SVGRenderer,
]);

// Many rectangles as one path: [x, y, width, height, ...]. What makes long timelines fast.
echarts.graphic.registerShape(
  'rects',
  echarts.graphic.extendShape({
    shape: { rects: [] },
    buildPath(context, { rects }) {
      for (let i = 0; i < rects.length; i += 4) {
        context.rect(rects[i], rects[i + 1], rects[i + 2], rects[i + 3]);
      }
    },
  })
);

// Steps through [x, y, x, y, ...], each holding until the next. ECharts' own leave out small steps
// and draw a slope instead.
echarts.graphic.registerShape(
  'steps',
  echarts.graphic.extendShape({
    shape: { points: [] },
    buildPath(context, { points }) {
      context.moveTo(points[0], points[1]);
      for (let i = 2; i < points.length; i += 2) {
        context.lineTo(points[i], points[i - 1]);
        context.lineTo(points[i], points[i + 1]);
      }
    },
  })
);

export { echarts };
