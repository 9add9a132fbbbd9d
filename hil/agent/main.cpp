// convoy-node: the agent on a real device.

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>

#include "base/build.hpp"
#include "base/diagnostics.hpp"
#include "base/files.hpp"
#include "base/program_log.hpp"
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

// One line each, as convoy prints them.
std::string version_text() {
  std::string text = std::string("convoy-node ") + CONVOY_VERSION;
  for (const auto& [key, value] : versions()) text += fmt::format("\n{:<9} {}", key, value);
  return text;
}

// Measures this device and writes the result as a device's file.
std::string measured(const convoy::hil::AgentConfig& config, bool quick) {
  using namespace convoy;
  spdlog::info("measuring {}; do not use the device meanwhile", config.device);
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

// Gives the exit status: 1 if some part failed, as the report says.
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
  spdlog::set_level(spdlog::level::warn);  // hides the loopback agent's messages
  spdlog::warn("testing {} for {}; do not use the device meanwhile", config.device,
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
  fmt::print("{}{}: the report; it does not name this host or its user\n", test.summary, file);
  return test.good ? 0 : 1;
}

struct Arguments {
  std::string file, connect, name, data, state, device, type, certificate, key, authority, output;
  double memory = 0, retry = 0;
  bool own_data = false, insecure = false;
  bool profile = false, quick = false, self_test = false, overwrite = false;
};

void add_options(CLI::App& app, Arguments& given) {
  app.add_option("config", given.file,
                 "node.toml, as `convoy testbed init` makes it; options override it");
  app.add_option("--connect", given.connect, "HOST:PORT of the coordinator");
  app.add_option("--name", given.name, "Name of this node, as in its certificate");
  app.add_option("--certificate", given.certificate, "Certificate of this node (PEM)");
  app.add_option("--key", given.key, "Private key of this node (PEM, mode 0600)");
  app.add_option("--authority", given.authority, "Certificate of the testbed's authority (PEM)");
  app.add_flag("--insecure", given.insecure, "No TLS; only for a loopback address");
  app.add_option("--data", given.data, "Data set on this machine, such as idx:/srv/mnist");
  app.add_flag("--own-data", given.own_data,
               "Train on all of --data, not on the part that the run assigns");
  app.add_option("--state", given.state, "Folder for data that is kept over a restart");
  app.add_option("--device", given.device, "Device that computes: cpu, cuda or cuda:N");
  app.add_option("--type", given.type, "Type of device, as in Convoy's catalogue");
  app.add_option("--max-memory-gb", given.memory, "Memory limit of this process, GB")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--retry-s", given.retry, "Longest wait between two attempts to connect, s")
      ->check(CLI::Range(0.01, 3600.0));
  app.add_flag("--profile", given.profile,
               "Measure this device first (a minute or two); the coordinator keeps the result in "
               "devices/ of its run");
  auto* tests = app.add_flag(
      "--self-test", given.self_test,
      "Test and measure this device, write a report for the maintainers of Convoy's catalogue, and "
      "end; no coordinator is needed");
  app.add_option("-o,--output", given.output, "With --self-test: report to write (NAME.json)")
      ->needs(tests);
  app.add_flag("--overwrite", given.overwrite, "With --self-test: replace an existing file")
      ->needs(tests);
  app.add_flag("--quick", given.quick,
               "With --profile or --self-test: measure for some seconds; not exact enough for use");
}

// The configuration from the device's file, if any, overridden by the arguments.
convoy::hil::AgentConfig config_of(const Arguments& given) {
  using namespace convoy;
  hil::AgentConfig config;
  if (!given.file.empty()) config = hil::read_agent_config(given.file);
  if (!given.connect.empty()) {
    const auto endpoint = testbed::parse_endpoint(given.connect);
    if (!endpoint) throw base::UserError("--connect: expected HOST:PORT");
    config.connect = *endpoint;
  }
  if (!given.name.empty()) config.name = given.name;
  if (!given.certificate.empty()) config.credentials.certificate = given.certificate;
  if (!given.key.empty()) config.credentials.key = given.key;
  if (!given.authority.empty()) config.credentials.authority = given.authority;
  if (!given.data.empty()) config.data = given.data;
  if (!given.state.empty()) config.state = given.state;
  if (!given.device.empty()) config.device = given.device;
  if (!given.type.empty()) config.type = given.type;
  if (given.memory > 0) config.max_memory_gb = given.memory;
  if (given.retry > 0) config.retry_s = given.retry;
  config.own_data = config.own_data || given.own_data;
  config.insecure = config.insecure || given.insecure;
  return config;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace convoy;
  CLI::App app("convoy-node: trains on this device for a Convoy coordinator");
  app.set_version_flag("--version", version_text,
                       "Print the version, the commit, the compiler and the libraries, and exit");
  Arguments given;
  add_options(app, given);
  CLI11_PARSE(app, argc, argv);
  try {
    base::set_up_log("convoy-node", "%H:%M:%S ", spdlog::level::info);
    hil::AgentConfig config = config_of(given);
    if (given.self_test) return test_itself(config, given.output, given.overwrite, given.quick);
    if (given.profile) {
      hil::check(config);
      config.profile = measured(config, given.quick);
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
