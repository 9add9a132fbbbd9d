#pragma once

// Imports traces from other formats. Trace::remarks lists what was repaired, left out or assumed,
// and the effect of each column on a node; irreparable input throws base::UserError with file and
// line.
//
// A log shows a device under its load at that time, not what the device could do. Resources used by
// that load are left out unless ImportOptions::as_recorded is set.
//
//   const Trace trace = import_trace({.format = "mahimahi", .files = {"lte.down", "lte.up"}});

#include <string>
#include <string_view>
#include <vector>

#include "platforms/traces/trace.hpp"

namespace convoy::platforms {

struct ImportOptions {
  std::string format;  // one of import_formats()
  std::vector<std::string> files;
  double bin_s = 0.1;        // mahimahi: width of the bins, s
  double interval_s = 1;     // tegrastats without dates: s between lines
  std::string direction;     // mahimahi: "up" or "down"; empty: by the file's suffix
  std::string client;        // FedScale: client's key; empty: the first one
  bool as_recorded = false;  // tegrastats: include the memory left free by the recorded load
};

const std::vector<std::string>& import_formats();
Trace import_trace(const ImportOptions& options);

// --- format by format; `file` is for messages ---------------------------------------------------

// tegrastats lines, with a date in front (its own since JetPack 5, or by `ts`, `date`, a journal)
// or without: power_w of the module, temperature_c; with `as_recorded` memory_free_bytes. Skips
// foreign lines, and undated ones if most have dates. Lines of one second are spread over it. A
// clock change is noted, and the rows continue.
Trace import_tegrastats(std::string_view text, const std::string& file, double interval_s,
                        bool as_recorded = false);

// A mahimahi link (Netravali et al. 2015): each line is a time in ms at which 1,500 bytes may pass;
// the last one is also the period. Rates are means over bins, so that whole bins pass exactly the
// original number of bytes.
Trace import_mahimahi(std::string_view text, const std::string& file, Column direction,
                      double bin_s);

// A G-NetTrack Pro log as in the 5G data set of Raca et al. 2020: DL_bitrate and UL_bitrate in
// kbit/s, about one row per second. Rows of one second are averaged. The rates are those of the
// phone's own traffic, a lower bound of the link's: the remarks say so.
Trace import_gnettrack(std::string_view text, const std::string& file);

// An MLPerf power log ("Time,08-10-2021 17:01:45.652,Watts,8.289,..."). Negative readings (idle
// meter) become 0.
Trace import_mlperf_power(std::string_view text, const std::string& file);

// FedScale's device traces (Lai et al. 2022), their pickled dictionaries converted to JSON.
// Behaviour, {"CLIENT": {"active": [s, ...], "inactive": [s, ...], "finish_time": s}}: available.
// Capacity, {"CLIENT": {"computation": ms a sample, "communication": kbit/s}}: both rates, and
// speed = median computation of all clients / the client's.
Trace import_fedscale(std::string_view text, const std::string& file, const std::string& client);

// Joins the columns of several traces. Shorter ones are repeated if `repeat` is set; else their
// last values hold.
Trace merged(const std::vector<Trace>& traces, bool repeat);

}  // namespace convoy::platforms
