package batonmq.interop;

/** The broker under test, and the port of a way to it that can be cut. */
final class Broker {
  final String kind;
  final String host;
  final int port;
  final String user;
  final String password;
  final int relay;

  Broker(String kind, String host, int port, String user, String password, int relay) {
    this.kind = kind;
    this.host = host;
    this.port = port;
    this.user = user;
    this.password = password;
    this.relay = relay;
  }

  String url() {
    return "amqp://" + host + ":" + port + "?jms.requestTimeout=10000&jms.sendTimeout=10000&jms.closeTimeout=5000&transport.useEpoll=false";
  }
}
