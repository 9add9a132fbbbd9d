// convoy-node: the agent on a real device.

#include <fmt/format.h>
#include <spdlog/cfg/helpers.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <map>

#include "base/build.hpp"
#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "engine/api/engine.hpp"
#include "engine/api/profile.hpp"
#include "hil/agent/agent.hpp"
#include "hil/agent/self_test.hpp"
#include "platforms/profiled.hpp"

namespace {

convoy::hil::Agent* running = nullptr;

void on_signal(int /*signal*/) {
  if (running != nullptr) running->stop();
}

void set_up_log() {
  auto log = spdlog::stderr_color_mt("convoy-node");
  log->set_pattern("%H:%M:%S convoy-node: %l: %v");
  spdlog::set_default_logger(log);
  const char* level = std::getenv("CONVOY_LOG");  // NOLINT(concurrency-mt-unsafe): no thread yet
  spdlog::set_level(level != nullptr ? spdlog::level::from_str(level) : spdlog::level::info);
}

std::map<std::string, std::string> versions() {
  using namespace convoy;
  std::map<std::string, std::string> facts = {{"commit", base::source_commit()},
                                              {"compiler", base::compiler()},
                                              {"libtorch", CONVOY_LIBTORCH},
                                              {"cpu", base::processor()}};
  try {
    for (auto& [key, value] : engine::library_facts()) facts[key] = std::move(value);
  } catch (const base::UserError& e) {
    facts["engine"] = e.what();
  }
  return facts;
}

// As that of convoy: a line each.
std::string version_text() {
  std::string text = std::string("convoy-node ") + CONVOY_VERSION;
  for (const auto& [key, value] : versions()) text += fmt::format("\n{:<9} {}", key, value);
  return text;
}

// This device as a device's file.
std::string measured(const convoy::hil::AgentConfig& config, bool quick) {
  using namespace convoy;
  spdlog::info("measuring {}; leave the device alone meanwhile", config.device);
  engine::ProfileOptions options;
  options.device = config.device;
  options.cases = engine::profile_cases(quick);
  options.quick = quick;
  const engine::Profile profile = engine::measure(options);
  const platforms::ProfileLabel label{config.name, config.device,
                                      "convoy-node " CONVOY_VERSION " --profile", quick};
  const platforms::Calibration found = platforms::calibrate(profile, label);
  spdlog::info("measured: training steps are predicted with a median error of {:.1f} %",
               100 * found.median_error);
  return platforms::profiled_toml(profile, found, label);
}

std::atomic<bool> interrupted = false;

void on_interrupt(int /*signal*/) { interrupted = true; }

void show(const std::string& what) {
  if (::isatty(STDERR_FILENO) == 0) return;
  fmt::print(stderr, "\r\x1b[K{}", what);
  std::fflush(stderr);
}

// The exit status: 1 where a part of it failed, which the report says.
int test_itself(const convoy::hil::AgentConfig& config, const std::string& file, bool overwrite,
                bool quick) {
  using namespace convoy;
  if (file.empty()) throw base::UserError("--self-test: give -o, the file to write (report.json)");
  if (std::filesystem::path(file).extension() != ".json") {
    throw base::UserError(file + ": give -o a name that ends in .json");
  }
  base::check_output(file, overwrite);
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  spdlog::set_level(spdlog::level::warn);  // what the agent of the loopback says of itself
  spdlog::warn("testing {} for {}; leave the device alone meanwhile", config.device,
               quick ? "some seconds" : "some minutes");
  hil::SelfTestOptions options;
  options.config = config;
  options.quick = quick;
  options.software = versions();
  options.software["convoy"] = CONVOY_VERSION;
  options.progress = show;
  options.interrupted = &interrupted;
  hil::SelfTest test;
  try {
    test = hil::self_test(options);
  } catch (const engine::Stopped&) {
    show("");
    fmt::print(stderr, "convoy-node: stopped by a signal; nothing was written\n");
    return 3;
  }
  show("");
  base::write_output(file, test.json, overwrite);
  fmt::print("{}{}: the report; it names neither this host nor its user\n", test.summary, file);
  return test.good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace convoy;
  CLI::App app("convoy-node: trains on this device for a Convoy coordinator");
  app.set_version_flag("--version", version_text, "Version, and what it was built from and with");
  std::string file;
  std::string connect;
  std::string name;
  std::string data;
  std::string state;
  std::string device;
  std::string type;
  std::string certificate;
  std::string key;
  std::string authority;
  double memory = 0;
  double retry = 0;
  bool own_data = false;
  bool insecure = false;
  bool profile = false;
  bool quick = false;
  bool self_test = false;
  bool overwrite = false;
  std::string output;
  app.add_option("config", file,
                 "node.toml, as `convoy testbed init` makes it; options override it");
  app.add_option("--connect", connect, "HOST:PORT of the coordinator");
  app.add_option("--name", name, "Name of this node, as in its certificate");
  app.add_option("--certificate", certificate, "Certificate of this node (PEM)");
  app.add_option("--key", key, "Its private key (PEM, mode 0600)");
  app.add_option("--authority", authority, "Certificate of the testbed's authority (PEM)");
  app.add_flag("--insecure", insecure, "Without TLS; to a loopback address only");
  app.add_option("--data", data, "The data set on this machine, such as idx:/srv/mnist");
  app.add_flag("--own-data", own_data, "Train on all of it, not on the part that a run assigns");
  app.add_option("--state", state, "Folder of what outlives a restart");
  app.add_option("--device", device, "What computes: cpu, cuda or cuda:N");
  app.add_option("--type", type, "Type of device, as in Convoy's catalogue");
  app.add_option("--max-memory-gb", memory, "Limit of this process")->check(CLI::Range(0.0, 1e6));
  app.add_option("--retry-s", retry, "Longest wait between attempts to connect")
      ->check(CLI::Range(0.01, 3600.0));
  app.add_flag("--profile", profile,
               "Measure this device first (a minute or two); the coordinator keeps the result with "
               "its run, in devices/");
  auto* tests = app.add_flag(
      "--self-test", self_test,
      "Test and measure this device, write a report of it to be sent to whoever keeps Convoy's "
      "catalogue, and end; no coordinator is needed");
  app.add_option("-o,--output", output, "With --self-test: the report (NAME.json)")->needs(tests);
  app.add_flag("--overwrite", overwrite, "With --self-test: replace a file that is there")
      ->needs(tests);
  app.add_flag("--quick", quick,
               "With --profile and --self-test: some seconds; too inexact for use");
  CLI11_PARSE(app, argc, argv);
  try {
    set_up_log();
    hil::AgentConfig config;
    if (!file.empty()) config = hil::read_agent_config(file);
    if (!connect.empty()) {
      const auto endpoint = hil::parse_endpoint(connect);
      if (!endpoint) throw base::UserError("--connect: expected HOST:PORT");
      config.connect = *endpoint;
    }
    if (!name.empty()) config.name = name;
    if (!certificate.empty()) config.credentials.certificate = certificate;
    if (!key.empty()) config.credentials.key = key;
    if (!authority.empty()) config.credentials.authority = authority;
    if (!data.empty()) config.data = data;
    if (!state.empty()) config.state = state;
    if (!device.empty()) config.device = device;
    if (!type.empty()) config.type = type;
    if (memory > 0) config.max_memory_gb = memory;
    if (retry > 0) config.retry_s = retry;
    config.own_data = config.own_data || own_data;
    config.insecure = config.insecure || insecure;
    if (self_test) return test_itself(config, output, overwrite, quick);
    if (profile) {
      hil::check(config);
      config.profile = measured(config, quick);
    }
    hil::Agent agent(std::move(config), std::string("convoy-node ") + CONVOY_VERSION);
    running = &agent;
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
    std::signal(SIGPIPE, SIG_IGN);
    agent.run();
    running = nullptr;
  } catch (const base::UserError& e) {
    std::fprintf(stderr, "convoy-node: %s\n", base::escaped(e.what()).c_str());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "convoy-node: %s\n", base::escaped(e.what()).c_str());
    return 1;
  }
  return 0;
}
