package org.chksweep.minihdfs;

import java.io.File;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.minikdc.MiniKdc;
import org.apache.hadoop.security.UserGroupInformation;

/** A KDC on loopback, the principals, and what servers and clients must be told of them. */
final class Kerberos {
  private final MiniKdc kdc;
  private final File dir;
  private final File keytab;
  private final String servicePrincipal;
  private final String protection;

  static Kerberos start(Options options, File dir) throws Exception {
    return new Kerberos(options, dir);
  }

  private Kerberos(Options options, File dir) throws Exception {
    File work = new File(dir, "kdc");
    work.mkdirs();
    Properties properties = MiniKdc.createConf();
    properties.setProperty(MiniKdc.KDC_BIND_ADDRESS, "127.0.0.1");
    properties.setProperty(MiniKdc.MAX_TICKET_LIFETIME, options.get("ticket-lifetime-ms", "86400000"));
    kdc = new MiniKdc(properties, work);
    kdc.start();
    this.dir = dir;
    keytab = new File(dir, "hdfs.keytab");
    kdc.createPrincipal(keytab, "hdfs/localhost", "HTTP/localhost");
    for (String user : options.get("users", "gc,alice").split(",")) {
      kdc.createPrincipal(new File(dir, user + ".keytab"), user);
    }
    servicePrincipal = "hdfs/localhost@" + kdc.getRealm();
    protection = options.get("rpc-protection", "privacy");
    System.setProperty("java.security.krb5.conf", kdc.getKrb5conf().getPath());
  }

  Map<String, String> forBoth() {
    Map<String, String> conf = new LinkedHashMap<>();
    conf.put("hadoop.security.authentication", "kerberos");
    conf.put("hadoop.security.authorization", "true");
    conf.put("hadoop.rpc.protection", protection);
    conf.put("dfs.namenode.kerberos.principal", servicePrincipal);
    conf.put("dfs.datanode.kerberos.principal", servicePrincipal);
    conf.put("dfs.data.transfer.protection", protection);
    return conf;
  }

  Map<String, String> forServer() {
    Map<String, String> conf = new LinkedHashMap<>();
    conf.put("dfs.namenode.keytab.file", keytab.getPath());
    conf.put("dfs.datanode.keytab.file", keytab.getPath());
    conf.put("dfs.web.authentication.kerberos.principal", "HTTP/localhost@" + kdc.getRealm());
    conf.put("dfs.web.authentication.kerberos.keytab", keytab.getPath());
    conf.put("dfs.block.access.token.enable", "true");
    conf.put("ignore.secure.ports.for.testing", "true");
    conf.put("hadoop.proxyuser.hdfs.hosts", "*");
    conf.put("hadoop.proxyuser.hdfs.users", "*");
    return conf;
  }

  void login(Configuration conf) throws IOException {
    UserGroupInformation.setConfiguration(conf);
    UserGroupInformation.loginUserFromKeytab(servicePrincipal, keytab.getPath());
  }

  Map<String, Object> described() {
    return Map.of("krb5", kdc.getKrb5conf().getPath(), "keytabs", dir.getPath(), "realm", kdc.getRealm());
  }
}
