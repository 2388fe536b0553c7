#include "agent/config/config_file.h"

#include <toml++/toml.h>

#include "libs/base/status.h"

namespace filesync {
namespace {

constexpr std::string_view kFolderTables = "folder";

class Reader {
 public:
  explicit Reader(const std::string& name) : name_(name) {}

  absl::StatusOr<ConfigFile> Read(const toml::table& root) {
    ConfigFile file;
    for (const auto& [key, node] : root) {
      if (key == kFolderTables && node.is_array_of_tables()) {
        FS_RETURN_IF_ERROR(ReadFolders(*node.as_array(), file));
        continue;
      }
      FS_RETURN_IF_ERROR(Take(key.str(), node, Find(key.str()), file.top));
    }
    return file;
  }

 private:
  std::string Where(const toml::node& node) const {
    return fmt::format("{}:{}", name_, node.source().begin.line);
  }

  static const OptionDefinition* Find(std::string_view key) {
    for (const OptionDefinition& option : Settings()) {
      // Which files are read is not said in a file that is read.
      if (option.kind == ValueKind::kFile) continue;
      if (TomlKey(option) == key) return &option;
    }
    return nullptr;
  }

  absl::Status ReadFolders(const toml::array& tables, ConfigFile& file) {
    for (const toml::node& node : tables) {
      const toml::table& table = *node.as_table();
      FolderTable folder;
      folder.where = Where(table);
      for (const auto& [key, value] : table) {
        const OptionDefinition* option = key == "name" ? FindSetting("folder") : Find(key.str());
        if (option != nullptr && !option->per_folder) {
          return InvalidArgument(
              "{}: {} holds for all folders: write it above the first [[folder]]", Where(value),
              key.str());
        }
        FS_RETURN_IF_ERROR(Take(key.str(), value, option, folder.values));
      }
      if (!folder.values.contains("directory")) {
        return InvalidArgument("{}: expected directory = \"…\" in this [[folder]]", folder.where);
      }
      const Setting& directory = folder.values.at("directory");
      if (directory.texts.front().empty()) {
        return InvalidArgument("{}: expected a directory", directory.where);
      }
      file.folders.push_back(std::move(folder));
    }
    return absl::OkStatus();
  }

  absl::Status Take(std::string_view key, const toml::node& node, const OptionDefinition* option,
                    Layer& layer) {
    if (option == nullptr) {
      return InvalidArgument("{}: {} is no setting; `syncagent man` lists them", Where(node), key);
    }
    Setting setting;
    setting.where = Where(node);
    if (const toml::array* values = node.as_array(); values != nullptr && option->repeatable) {
      for (const toml::node& value : *values) {
        FS_RETURN_IF_ERROR(TakeOne(key, value, *option, setting));
      }
    } else {
      FS_RETURN_IF_ERROR(TakeOne(key, node, *option, setting));
    }
    layer[option->name] = std::move(setting);
    return absl::OkStatus();
  }

  absl::Status TakeOne(std::string_view key, const toml::node& node, const OptionDefinition& option,
                       Setting& setting) {
    if (option.kind == ValueKind::kSwitch) {
      if (!node.is_boolean()) {
        return InvalidArgument("{}: {}: expected true or false", Where(node), key);
      }
      setting.texts.emplace_back(**node.as_boolean() ? "true" : "false");
    } else if (node.is_string()) {
      setting.texts.push_back(**node.as_string());
    } else if (node.is_integer()) {
      setting.texts.push_back(fmt::format("{}", **node.as_integer()));
    } else {
      return InvalidArgument(
          "{}: {}: expected {}", Where(node), key,
          option.repeatable ? "a text, or a list of texts: [\"…\", \"…\"]" : "a text, in quotes");
    }
    if (setting.texts.back().find('\0') != std::string::npos) {
      return InvalidArgument("{}: {}: expected text, found a zero byte", Where(node), key);
    }
    return absl::OkStatus();
  }

  const std::string& name_;
};

}  // namespace

namespace {

// The parser goes one call deeper for each part of a dotted key.
constexpr int kMostDots = 1000;

absl::Status CheckDots(const std::string& name, std::string_view text) {
  int line = 1;
  int dots = 0;
  for (const char c : text) {
    if (c == '\n') {
      ++line;
      dots = 0;
    }
    if (c == '.' && ++dots > kMostDots) {
      return InvalidArgument("{}:{}: expected at most {} dots in a line", name, line, kMostDots);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ConfigFile> ParseConfigFile(const std::string& name, std::string_view text) {
  FS_RETURN_IF_ERROR(CheckDots(name, text));
  try {
    const toml::table root = toml::parse(text, name);
    return Reader(name).Read(root);
  } catch (const toml::parse_error& error) {
    return InvalidArgument("{}:{}: {}", name, error.source().begin.line, error.description());
  }
}

}  // namespace filesync
