#include "analysis/report/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "analysis/fidelity.hpp"
#include "analysis/report/assets.hpp"
#include "analysis/report/data.hpp"
#include "base/diagnostics.hpp"
#include "base/text.hpp"

namespace convoy::analysis {
namespace {

using base::in_html;

std::string joined(std::span<const std::string_view> pieces) {
  std::string text;
  for (const std::string_view piece : pieces) text += piece;
  return text;
}

// Escapes markup in the data, since names could end the script element.
std::string in_script(const Json& data) {
  return base::replaced(data.dump(-1, ' ', false, Json::error_handler_t::replace),
                        {{'<', "\\u003c"}});
}

// Tables for browsers without scripts and for builds without charts.
std::string summary_html(const Json& data) {
  std::string text = "<h1>Convoy</h1>\n";
  if (!has_charts()) {
    text +=
        "<p><strong>This Convoy was built without charts</strong> (-DCONVOY_WEB=OFF), so the "
        "page has none: no accuracy curves, no timeline, no heat maps. The figures are below; all "
        "of them are in the page's data, and <code>convoy export --format csv</code> writes "
        "them.</p>\n";
  }
  for (const Json& run : data["runs"]) {
    text += fmt::format("<h2>{}</h2>\n<p>{} with {}, seed {}: {} {}</p>\n<ul>\n",
                        in_html(run["label"]), in_html(run["name"]), in_html(run["schedule"]),
                        run["seed"].dump(), in_html(run["status"]), in_html(run["cause"]));
    for (const Json& remark : run["remarks"]) text += "<li>" + in_html(remark) + "</li>\n";
    text += "</ul>\n<table>\n";
    text +=
        fmt::format("<tr><th>virtual_time_s</th><td>{}</td></tr>\n", run["virtual_time_s"].dump());
    for (const auto& [key, value] : run["figures"].items()) {
      if (value.is_null()) continue;
      text += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", in_html(key), value.dump());
    }
    text += "</table>\n";
  }
  for (const Json& sweep : data["sweeps"]) {
    text += fmt::format("<h2>{}</h2>\n<p>{}: {} points</p>\n", in_html(sweep["label"]),
                        in_html(sweep["name"]), sweep["points"].size());
  }
  return text;
}

std::string page(const Json& data, const std::string& title) {
  const std::map<std::string, std::string> parts = {{"@TITLE@", in_html(title)},
                                                    {"@CSS@", joined(page_style())},
                                                    {"@SUMMARY@", summary_html(data)},
                                                    {"@DATA@", in_script(data)},
                                                    {"@SCRIPT@", joined(page_script())}};
  const std::string shape = joined(page_template());
  std::string text;
  std::size_t from = 0;
  // Each placeholder once; inserted text is not searched.
  while (from < shape.size()) {
    const std::size_t at = shape.find('@', from);
    text += shape.substr(from, at - from);
    if (at == std::string::npos) break;
    const auto part = std::find_if(parts.begin(), parts.end(), [&](const auto& one) {
      return shape.compare(at, one.first.size(), one.first) == 0;
    });
    text += part == parts.end() ? "@" : part->second;
    from = at + (part == parts.end() ? 1 : part->first.size());
  }
  return text;
}

Json empty_data(const std::string& version, const std::string& live = "") {
  return {{"made_by", "convoy " + version},
          {"runs", Json::array()},
          {"sweeps", Json::array()},
          {"comparison", nullptr},
          {"bands", Json::array()},
          {"fidelity", Json::array()},
          {"live", live}};
}

// Names runs after their groups, runs of a group also by their seed.
void name_runs(Json& runs, const Cases& cases) {
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const Case& one = cases.all.at(i);
    const bool alone = std::ranges::count(cases.all, one.group, &Case::group) == 1;
    runs[i]["label"] = alone ? one.group : fmt::format("{}, seed {}", one.group, one.seed);
  }
}

// Of runs, or of sweeps if there are no runs.
Json comparison_json(const ReportInput& input, Cases cases) {
  if (cases.all.size() < 2) {
    if (!input.baseline.empty() || !input.labels.empty()) {
      throw base::UserError("--baseline and --label need several runs, or a sweep");
    }
    if (cases.all.empty() || !input.runs.empty()) return {};
  }
  if (!input.metrics.empty()) cases.metrics = chosen(cases.metrics, input.metrics);
  return to_json(compare(cases, input.baseline));
}

}  // namespace

bool has_charts() { return !page_script().empty(); }

Json report_data(const ReportInput& input) {
  Json data = empty_data(input.version);
  std::vector<RunSummary> summaries;
  std::vector<SweepResults> sweeps;
  for (const std::string& folder : input.runs) {
    const RunTables run = read_tables(folder);
    data["runs"].push_back(run_json(run, label_of_run(folder)));
    summaries.push_back(summary_of(run));
  }
  for (const std::string& folder : input.sweeps) {
    sweeps.push_back(read_sweep(sim::SweepFolder(folder, input.with_stores)));
  }
  // The same accuracies for all.
  const Cases cases = cases_of(summaries, input.targets);
  for (std::size_t i = 0; i < summaries.size(); ++i) {
    put_targets(data["runs"][i]["figures"], summaries[i].curve, cases.levels);
  }
  set_levels(sweeps, input.targets);
  for (const SweepResults& sweep : sweeps) data["sweeps"].push_back(sweep_json(sweep));
  Cases compared = summaries.empty() ? cases_of(sweeps, input.targets) : cases;
  name_groups(compared, input.labels);
  if (!input.labels.empty()) name_runs(data["runs"], compared);
  data["bands"] = bands_json(bands_of(compared));
  data["comparison"] = comparison_json(input, std::move(compared));
  data["fidelity"] = to_json(read_fidelity({input.runs.begin(), input.runs.end()}));
  return data;
}

std::string report_html(const ReportInput& input) {
  const Json data = report_data(input);
  const Json& shown = data["runs"].empty() ? data["sweeps"] : data["runs"];
  const std::string name = shown.empty() ? "" : shown[0]["name"].get<std::string>() + " - ";
  return page(data, name + "Convoy");
}

std::string live_html(const std::string& version, const std::string& kind) {
  return page(empty_data(version, kind), "Convoy, live");
}

}  // namespace convoy::analysis
