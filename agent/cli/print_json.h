// How commands print protobuf JSON.
#pragma once

namespace google::protobuf {
class Message;
}

namespace filesync {

// To stdout, over several lines, with names in lowerCamelCase; returns the exit code.
int PrintJson(const google::protobuf::Message& message);

}  // namespace filesync
