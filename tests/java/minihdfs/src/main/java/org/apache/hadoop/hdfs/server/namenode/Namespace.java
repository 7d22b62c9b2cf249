package org.apache.hadoop.hdfs.server.namenode;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.hdfs.protocol.HdfsConstants.SafeModeAction;
import org.apache.hadoop.hdfs.server.namenode.snapshot.Snapshot;

/** What can be asked of a NameNode from inside its own package only. */
public final class Namespace {
  private Namespace() {}

  /** Holds the namesystem's write lock for a while: a NameNode that answers nothing. `held` is told of its start. */
  public static void freeze(FSNamesystem namesystem, long millis, Runnable held) {
    namesystem.writeLock();
    try {
      held.run();
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      namesystem.writeUnlock();
    }
  }

  /** Writes the fsimage, as `hdfs dfsadmin -saveNamespace` does in safe mode. */
  public static void save(FSNamesystem namesystem) throws IOException {
    namesystem.setSafeMode(SafeModeAction.SAFEMODE_ENTER);
    namesystem.saveNamespace(0, 0);
    namesystem.setSafeMode(SafeModeAction.SAFEMODE_LEAVE);
  }

  /** The names in a directory. */
  public static List<String> children(FSNamesystem namesystem, String dir) throws IOException {
    List<String> names = new ArrayList<>();
    namesystem.getFSDirectory().getINode(dir).asDirectory().getChildrenList(Snapshot.CURRENT_STATE_ID)
        .forEach(inode -> names.add(inode.getLocalName()));
    return names;
  }

  /** How many client calls were answered. */
  public static long calls(NameNode nameNode) {
    return server(nameNode).getClientRpcServer().getRpcMetrics().getProcessingSampleCount();
  }

  /** How many client connections are open. */
  public static int connections(NameNode nameNode) {
    return server(nameNode).getClientRpcServer().getNumOpenConnections();
  }

  private static NameNodeRpcServer server(NameNode nameNode) {
    return (NameNodeRpcServer) nameNode.getRpcServer();
  }
}
