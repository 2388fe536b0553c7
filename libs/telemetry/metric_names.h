// Every metric the project has: name and help in one list.
#pragma once

#include "libs/telemetry/metrics.h"

namespace filesync::metric {

inline constexpr MetricDefinition kBuildInfo = {"filesync_build_info",
                                                "Version of the program; always 1"};

// The server.
inline constexpr MetricDefinition kCommits = {"filesync_commits_total", "Batches committed"};
inline constexpr MetricDefinition kChanges = {"filesync_changes_total",
                                              "Changes in commits, by outcome"};
inline constexpr MetricDefinition kConflicts = {"filesync_conflicts_total",
                                                "Conflict copies committed"};
inline constexpr MetricDefinition kFolderEntries = {"filesync_folder_entries",
                                                    "Files, directories and symlinks in a folder"};
inline constexpr MetricDefinition kFolderBytes = {"filesync_folder_bytes",
                                                  "Sum of the sizes of a folder's files"};
inline constexpr MetricDefinition kFolderHead = {"filesync_folder_head_version",
                                                 "Version of a folder's last commit"};
inline constexpr MetricDefinition kAgentsConnected = {"filesync_agents_connected",
                                                      "Agents with an open stream"};
inline constexpr MetricDefinition kAgentLag = {
    "filesync_agent_lag_versions", "Versions that a connected agent is behind its folder's head"};
inline constexpr MetricDefinition kFanoutLatency = {
    "filesync_fanout_latency_seconds",
    "From a commit to the moment its message to another agent is written"};
inline constexpr MetricDefinition kChunksReceived = {"filesync_chunks_received_total",
                                                     "Chunks uploaded"};
inline constexpr MetricDefinition kChunkBytesReceived = {"filesync_chunk_bytes_received_total",
                                                         "Bytes of uploaded frames"};
inline constexpr MetricDefinition kChunksStored = {"filesync_chunks_stored_total",
                                                   "Uploaded chunks that were new"};
inline constexpr MetricDefinition kChunkBytesStored = {"filesync_chunk_bytes_stored_total",
                                                       "Bytes of frames that were new"};
inline constexpr MetricDefinition kChunksDeduplicated = {
    "filesync_chunks_deduplicated_total", "Uploaded chunks that were stored already"};
inline constexpr MetricDefinition kChunkBytesSent = {"filesync_chunk_bytes_sent_total",
                                                     "Bytes of frames sent to agents"};
inline constexpr MetricDefinition kMissingQueries = {"filesync_missing_chunk_queries_total",
                                                     "Queries for missing chunks"};
inline constexpr MetricDefinition kMissingIds = {"filesync_missing_chunk_ids_total",
                                                 "Chunks found missing"};
inline constexpr MetricDefinition kHistoryLost = {
    "filesync_history_lost_versions_total",
    "Versions that agents had seen and this server has lost"};
inline constexpr MetricDefinition kStoreBytes = {"filesync_store_bytes",
                                                 "The store's main figures, by kind"};
inline constexpr MetricDefinition kStoreHealthy = {
    "filesync_store_healthy", "1 while the store works, 0 after an error it cannot go on from"};
inline constexpr MetricDefinition kStoreFreeBytes = {
    "filesync_store_free_bytes", "Free space of the disk that the data directory is on"};
inline constexpr MetricDefinition kStoreRefusing = {"filesync_store_refusing",
                                                    "1 while new content is refused, by reason"};
inline constexpr MetricDefinition kGrpcStarted = {"grpc_server_started_total", "Calls started"};
inline constexpr MetricDefinition kGrpcHandled = {"grpc_server_handled_total",
                                                  "Calls ended, by code"};

// The agent.
inline constexpr MetricDefinition kAgentState = {
    "filesync_agent_state", "1 for the state the folder is in, 0 for the others"};
inline constexpr MetricDefinition kAgentScanSeconds = {"filesync_agent_scan_seconds",
                                                       "Duration of the last full scan"};
inline constexpr MetricDefinition kAgentScans = {"filesync_agent_scans_total", "Full scans"};
inline constexpr MetricDefinition kAgentAppliedVersion = {
    "filesync_agent_applied_version", "Version up to which the folder's changes are applied here"};
inline constexpr MetricDefinition kAgentPendingLocal = {"filesync_agent_pending_local",
                                                        "Local changes not committed yet"};
inline constexpr MetricDefinition kAgentPendingRemote = {"filesync_agent_pending_remote",
                                                         "Remote changes not applied yet"};
inline constexpr MetricDefinition kAgentFailedPaths = {"filesync_agent_failed_paths",
                                                       "Paths that could not be synced"};
inline constexpr MetricDefinition kAgentHeld = {
    "filesync_agent_held_entries",
    "Deletions and replacements that wait for a person, by direction and kind"};
inline constexpr MetricDefinition kAgentBytesHashed = {"filesync_agent_bytes_hashed_total",
                                                       "Bytes of local files read and hashed"};
inline constexpr MetricDefinition kAgentBytesSent = {"filesync_agent_bytes_sent_total",
                                                     "Bytes of frames sent"};
inline constexpr MetricDefinition kAgentBytesReceived = {"filesync_agent_bytes_received_total",
                                                         "Bytes of frames received"};
inline constexpr MetricDefinition kAgentBytesSaved = {
    "filesync_agent_bytes_saved_total",
    "Bytes that did not have to travel, thanks to deduplication and compression"};
inline constexpr MetricDefinition kAgentPropagation = {
    "filesync_agent_propagation_seconds", "From a commit on the server to its application here"};
inline constexpr MetricDefinition kAgentConflicts = {"filesync_agent_conflicts_total",
                                                     "Conflict copies made"};
inline constexpr MetricDefinition kAgentCommits = {"filesync_agent_commits_total",
                                                   "Batches committed"};
inline constexpr MetricDefinition kAgentReconnects = {"filesync_agent_reconnects_total",
                                                      "Connections lost"};

}  // namespace filesync::metric
