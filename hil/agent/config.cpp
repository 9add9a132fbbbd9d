#include "hil/agent/config.hpp"

#include <fmt/format.h>

#include "base/table_reader.hpp"
#include "base/value.hpp"
#include "testbed/names.hpp"

namespace convoy::hil {
namespace {

// Relative folders ("idx:mnist") start at the file's folder.
std::string data_source(const std::string& text, const std::filesystem::path& folder) {
  const auto colon = text.find(':');
  if (colon == std::string::npos) return text;
  return text.substr(0, colon + 1) + (folder / text.substr(colon + 1)).string();
}

}  // namespace

AgentConfig read_agent_config(const std::filesystem::path& file) {
  base::Diagnostics problems;
  const base::Value root = base::read_toml_file(file.string(), problems);
  if (problems.has_errors()) throw base::UserError(problems.str());
  const std::filesystem::path folder = std::filesystem::absolute(file).parent_path();
  base::TableReader reader(root, "", problems);
  AgentConfig config;
  const std::string connect = reader.text("connect");
  if (const auto endpoint = testbed::parse_endpoint(connect)) {
    config.connect = *endpoint;
  } else if (!connect.empty()) {
    reader.error("connect", "expected HOST:PORT of the coordinator");
  }
  config.name = reader.text("name");
  if (!config.name.empty() && !testbed::is_clean_name(config.name)) {
    reader.error("name", "expected " + testbed::clean_name_rule());
  }
  config.type = reader.text("type", "");
  config.insecure = reader.flag("insecure", false);
  const auto path = [&](const char* key) {
    const std::string text = reader.text(key, "");
    return text.empty() ? std::filesystem::path() : folder / text;
  };
  config.credentials.certificate = path("certificate");
  config.credentials.key = path("key");
  config.credentials.authority = path("authority");
  config.data = data_source(reader.text("data", ""), folder);
  config.own_data = reader.flag("own_data", false);
  config.state = path("state");
  config.device = reader.text("device", config.device);
  config.max_memory_gb = reader.number("max_memory_gb", base::at_least(0).up_to(1e6), 0);
  config.retry_s = reader.number("retry_s", base::above(0).up_to(3600), config.retry_s);
  reader.finish();
  if (problems.has_errors()) throw base::UserError(problems.str());
  return config;
}

void check(const AgentConfig& config) {
  if (config.connect.host.empty()) {
    throw base::UserError("where is the coordinator? Give --connect HOST:PORT, or a node.toml");
  }
  if (!testbed::is_clean_name(config.name)) {
    throw base::UserError("a name is needed: --name NAME, " + testbed::clean_name_rule());
  }
  if (config.own_data && config.data.empty()) {
    throw base::UserError("own_data = true needs data = \"idx:/FOLDER\" or another source");
  }
  if (config.insecure) {
    if (testbed::is_loopback(config.connect.host)) return;
    throw base::UserError(fmt::format(
        "insecure is for loopback addresses only, and the coordinator is at {}; give the agent its "
        "certificate (convoy testbed init makes one)",
        config.connect.str()));
  }
  if (config.credentials.certificate.empty() || config.credentials.key.empty() ||
      config.credentials.authority.empty()) {
    throw base::UserError(
        "certificate, key and authority are needed, as in the folder that convoy testbed init "
        "makes for each node; or --insecure, with a loopback address");
  }
}

}  // namespace convoy::hil
