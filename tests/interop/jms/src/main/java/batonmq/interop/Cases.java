package batonmq.interop;

import jakarta.jms.Connection;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.QueueBrowser;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.Callable;
import org.apache.qpid.jms.JmsConnectionFactory;

/** What all cases use: connections that are closed in the end, names of their own, and deadlines. */
abstract class Cases {
  static final long WAIT = 30_000;

  Broker broker;
  BufferedReader asked;
  final String name = "t-" + UUID.randomUUID().toString().substring(0, 13);
  private final List<Connection> connections = new ArrayList<>();

  Connection connect() throws JMSException {
    return connect(broker.url(), null);
  }

  Connection connect(String url, String clientId) throws JMSException {
    return connect(url, broker.user, broker.password, clientId);
  }

  Connection connect(String url, String user, String password, String clientId) throws JMSException {
    Connection connection = new JmsConnectionFactory(user, password, url).createConnection();
    connections.add(connection);
    if (clientId != null) connection.setClientID(clientId);
    connection.start();
    return connection;
  }

  Session session() throws JMSException {
    return connect().createSession(Session.AUTO_ACKNOWLEDGE);
  }

  /** Cuts the connections that go through the relay. */
  void cut() throws IOException {
    System.out.println("cut");
    System.out.flush();
    check("done".equals(asked.readLine()), "the relay did not answer");
  }

  void close() throws JMSException {
    for (Connection connection : connections) connection.close();
  }

  static void send(Session session, Queue queue, String... texts) throws JMSException {
    MessageProducer producer = session.createProducer(queue);
    for (String text : texts) producer.send(session.createTextMessage(text));
    producer.close();
  }

  static String text(Message message) throws JMSException {
    check(message != null, "no message came");
    return ((TextMessage) message).getText();
  }

  static List<String> take(MessageConsumer consumer, int count) throws JMSException {
    List<String> taken = new ArrayList<>();
    while (taken.size() < count) taken.add(text(consumer.receive(WAIT)));
    return taken;
  }

  /** What is in a queue, seen by a browser. */
  static List<String> seen(Session session, Queue queue, String selector) throws JMSException {
    try (QueueBrowser browser = session.createBrowser(queue, selector)) {
      List<String> texts = new ArrayList<>();
      for (Object message : Collections.list(browser.getEnumeration())) texts.add(text((Message) message));
      return texts;
    }
  }

  static List<String> seen(Session session, Queue queue) throws JMSException {
    return seen(session, queue, null);
  }

  static void until(Callable<Boolean> condition, String what) throws Exception {
    long end = System.nanoTime() + WAIT * 1_000_000;
    while (!condition.call()) {
      check(System.nanoTime() < end, "waited in vain until " + what);
      Thread.sleep(5);
    }
  }

  interface Period {
    void run(long milliseconds) throws Exception;
  }

  /** Tries it with a short period, and where the machine was too slow for that, with a long one. */
  static void inTime(Period attempt, long brief, long ample) throws Exception {
    try {
      attempt.run(brief);
    } catch (AssertionError tooSlow) {
      attempt.run(ample);
    }
  }

  static void check(boolean holds, String what) {
    if (!holds) throw new AssertionError(what);
  }

  static void same(Object found, Object wanted) {
    check(Objects.equals(found, wanted), "found " + found + ", wanted " + wanted);
  }

  interface Attempt {
    void run() throws Exception;
  }

  static <E extends Exception> E fails(Class<E> kind, Attempt attempt) throws Exception {
    try {
      attempt.run();
    } catch (Exception error) {
      if (kind.isInstance(error)) return kind.cast(error);
      throw error;
    }
    throw new AssertionError(kind.getSimpleName() + " was not thrown");
  }
}
